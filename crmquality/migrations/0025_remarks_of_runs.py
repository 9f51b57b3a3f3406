from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("crmquality", "0024_api_keys")]

    operations = [
        migrations.AddField(
            model_name="run",
            name="remarks",
            field=models.JSONField(
                db_default=[], default=list, help_text="What the detector says of how it was made."
            ),
        ),
    ]

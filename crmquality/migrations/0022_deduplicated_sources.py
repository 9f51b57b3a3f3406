from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("crmquality", "0021_models_know_until")]

    operations = [
        migrations.AddField(
            model_name="source",
            name="deduplicated",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="It holds nobody twice, an admin says: a record of another source is linked to one of it at most.",
            ),
        ),
    ]

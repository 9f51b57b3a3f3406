from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("crmquality", "0022_deduplicated_sources"),
    ]

    operations = [
        migrations.AddField(
            model_name="modelversion",
            name="ranked_by",
            field=models.BigIntegerField(
                null=True, help_text="Stands for the decisions by which the open items were ranked last."
            ),
        ),
    ]

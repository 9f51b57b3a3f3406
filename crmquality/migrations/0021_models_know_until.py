from django.db import migrations, models
from django.db.models.functions import Now


def know_until_they_were_made(apps, schema_editor):
    """What there is was taken to know of every decision until it was kept."""
    apps.get_model("crmquality", "ModelVersion").objects.update(knows_until=models.F("created_at"))


class Migration(migrations.Migration):

    dependencies = [
        ("crmquality", "0020_trainings_that_serve"),
    ]

    operations = [
        migrations.AddField(
            model_name="modelversion",
            name="knows_until",
            field=models.DateTimeField(
                db_default=Now(), help_text="Later decisions are not in its labels, though it was not ready yet."
            ),
        ),
        migrations.RunPython(know_until_they_were_made, migrations.RunPython.noop),
    ]

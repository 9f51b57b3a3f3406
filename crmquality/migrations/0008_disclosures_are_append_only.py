"""Nobody, not even our own code, changes or deletes a row of the disclosure log."""

from django.db import migrations

GUARD = """
CREATE FUNCTION crmquality_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the disclosure log is append-only';
END $$;
CREATE TRIGGER disclosures_are_append_only BEFORE UPDATE OR DELETE ON crmquality_disclosure
    FOR EACH ROW EXECUTE FUNCTION crmquality_refuse_change();
"""
UNGUARD = """
DROP TRIGGER disclosures_are_append_only ON crmquality_disclosure;
DROP FUNCTION crmquality_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("crmquality", "0007_access_policy_and_disclosures")]
    operations = [migrations.RunSQL(GUARD, UNGUARD)]

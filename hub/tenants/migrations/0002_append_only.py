"""Audit entries can only be added: triggers refuse the rest. Also makes the two generation counters.

A test that must flush tables says so in its own session: `set hub.allow_truncate = 'on'`, which is the one door.
"""

from django.db import migrations

REFUSE = """
CREATE FUNCTION tenants_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF tg_op = 'TRUNCATE' AND current_setting('hub.allow_truncate', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION '% on % refused: its rows are only ever added', tg_op, tg_table_name
        USING ERRCODE = 'restrict_violation', HINT = 'Add an entry that corrects the earlier one.';
END $$;
CREATE TRIGGER audit_rows_stay BEFORE UPDATE OR DELETE ON tenants_auditentry
    FOR EACH ROW EXECUTE FUNCTION tenants_refuse_change();
CREATE TRIGGER audit_table_stays BEFORE TRUNCATE ON tenants_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION tenants_refuse_change();
"""
ALLOW = """
DROP TRIGGER audit_table_stays ON tenants_auditentry;
DROP TRIGGER audit_rows_stay ON tenants_auditentry;
DROP FUNCTION tenants_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("tenants", "0001_initial")]

    operations = [
        migrations.RunSQL(REFUSE, ALLOW),
        migrations.RunSQL(
            "INSERT INTO tenants_generation(name, value) VALUES ('keys', 1), ('subscriptions', 1)",
            "DELETE FROM tenants_generation",
        ),
    ]

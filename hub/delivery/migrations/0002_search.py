"""Indexes for searching: each holds only attempts that failed, were repeated or were slow, so that a delivery that went well
at the first try, as nearly all do, pays nothing for them.

Made on the parent, which makes them on every day and holds a lock meanwhile: nothing is released yet. An installation under
load would make each one as `create index … on only attempt`, then `create index concurrently` on the days ahead, on today and
backwards, and attach each to the parent's; it is of use as soon as all are attached.
"""

from django.db import migrations

INDEXES = """
create index attempt_failed     on attempt (env, at)         where reason <> 0;
create index attempt_failed_why on attempt (env, reason, at) where reason <> 0;
create index attempt_failed_to  on attempt (sub, at)         where reason <> 0;
create index attempt_cut_off    on attempt (env, at)         where http <> 0 and reason in (8, 9, 10, 11);
create index attempt_repeated   on attempt (env, at)         where n > 1;
create index attempt_slow       on attempt (env, at)         where total_us > 250000;
create index due_untried        on due (sub, seq, run)       where attempt = 0;
"""

UNDO = """
drop index attempt_failed, attempt_failed_why, attempt_failed_to, attempt_cut_off, attempt_repeated, attempt_slow, due_untried;
"""


class Migration(migrations.Migration):
    dependencies = [("delivery", "0001_delivery")]
    operations = [migrations.RunSQL(INDEXES, UNDO)]

"""A client of the API of CRM Quality: no Django, one dependency (requests); see docs/client.md.

from crmquality_client import Client

with Client.sign_in("http://127.0.0.1:8000", "sam", "...") as crm:
    source = crm.source("contacts") or crm.make_source("contacts")
    crm.wait(crm.upload(source, "contacts.csv"))
    for run in crm.run(source):
        crm.wait(run, progress=print)
    for item in crm.items(source=source, min_score=0.9):
        crm.decide(item, "accept")
"""

from crmquality_client.client import Client
from crmquality_client.errors import ApiError, Forbidden, JobFailed, NotFound, Outdated, TimedOut, Unreachable
from crmquality_client.types import Decision, Export, Finding, Import, Item, Job, Metric, Record, Run, Source

__all__ = [
    "ApiError",
    "Client",
    "Decision",
    "Export",
    "Finding",
    "Forbidden",
    "Import",
    "Item",
    "Job",
    "JobFailed",
    "Metric",
    "NotFound",
    "Outdated",
    "Record",
    "Run",
    "Source",
    "TimedOut",
    "Unreachable",
]

"""What a column means. Detectors ask for a role ("the e-mail"), never for a column name."""

from __future__ import annotations

from enum import StrEnum


class ValueType(StrEnum):
    """How a role's text is to be read; decides comparison, validation and features."""

    TEXT = "text"
    CATEGORY = "category"
    NUMBER = "number"
    DATE = "date"
    KEY = "key"


class Role(StrEnum):
    """The meaning of a column, one word for one thing in code, API and page."""

    ID = "id"
    NAME = "name"
    GIVEN_NAME = "given_name"
    MIDDLE_NAME = "middle_name"
    FAMILY_NAME = "family_name"
    COMPANY = "company"
    EMAIL = "email"
    PHONE = "phone"
    FAX = "fax"
    WEBSITE = "website"
    ADDRESS = "address"
    STREET = "street"
    HOUSE_NUMBER = "house_number"
    UNIT = "unit"
    CITY = "city"
    COUNTY = "county"
    REGION = "region"
    POSTCODE = "postcode"
    COUNTRY = "country"
    DATE_OF_BIRTH = "date_of_birth"
    AGE = "age"
    GENDER = "gender"
    JOB_TITLE = "job_title"
    INDUSTRY = "industry"
    NATIONAL_ID = "national_id"
    TAX_ID = "tax_id"
    BANK_ACCOUNT = "bank_account"
    AMOUNT = "amount"
    CURRENCY = "currency"
    QUANTITY = "quantity"
    PROBABILITY = "probability"
    STAGE = "stage"
    STATUS = "status"
    REASON = "reason"
    CREATED_AT = "created_at"
    UPDATED_AT = "updated_at"
    VERIFIED_AT = "verified_at"
    CLOSED_AT = "closed_at"
    OWNER = "owner"
    CONSENT = "consent"
    SOURCE_SYSTEM = "source_system"
    ACCOUNT_REF = "account_ref"
    CONTACT_REF = "contact_ref"
    OPPORTUNITY_REF = "opportunity_ref"
    QUOTATION_REF = "quotation_ref"
    DATE = "date"
    NUMBER = "number"
    CATEGORY = "category"
    TEXT = "text"
    IGNORE = "ignore"

    @property
    def value_type(self) -> ValueType:
        """How values of this role are read."""
        return _TYPES.get(self, ValueType.TEXT)

    @property
    def label(self) -> str:
        """The role as a person reads it."""
        return self.value.replace("_", " ").capitalize()


IDENTIFYING = frozenset(
    {
        *(Role.NAME, Role.GIVEN_NAME, Role.MIDDLE_NAME, Role.FAMILY_NAME, Role.COMPANY, Role.JOB_TITLE, Role.INDUSTRY),
        *(Role.EMAIL, Role.PHONE, Role.FAX, Role.WEBSITE, Role.DATE_OF_BIRTH, Role.AGE, Role.GENDER),
        *(Role.ADDRESS, Role.STREET, Role.HOUSE_NUMBER, Role.UNIT, Role.CITY, Role.COUNTY, Role.REGION, Role.POSTCODE),
        *(Role.COUNTRY, Role.NATIONAL_ID, Role.TAX_ID, Role.BANK_ACCOUNT, Role.TEXT, Role.CATEGORY),
    }
)
"""What records are compared by to tell whether they are one. What merely happened to a record (its owner, stage, dates,
amounts, what it refers to) is none of it."""

_TYPES: dict[Role, ValueType] = (
    dict.fromkeys([Role.AMOUNT, Role.QUANTITY, Role.PROBABILITY, Role.NUMBER, Role.AGE], ValueType.NUMBER)
    | dict.fromkeys(
        [Role.DATE_OF_BIRTH, Role.CREATED_AT, Role.UPDATED_AT, Role.VERIFIED_AT, Role.CLOSED_AT, Role.DATE],
        ValueType.DATE,
    )
    | dict.fromkeys(
        [
            Role.ID,
            Role.NATIONAL_ID,
            Role.TAX_ID,
            Role.BANK_ACCOUNT,
            Role.ACCOUNT_REF,
            Role.CONTACT_REF,
            Role.OPPORTUNITY_REF,
            Role.QUOTATION_REF,
        ],
        ValueType.KEY,
    )
    | dict.fromkeys(
        [
            Role.CITY,
            Role.COUNTY,
            Role.REGION,
            Role.COUNTRY,
            Role.GENDER,
            Role.INDUSTRY,
            Role.CURRENCY,
            Role.STAGE,
            Role.STATUS,
            Role.REASON,
            Role.OWNER,
            Role.CONSENT,
            Role.SOURCE_SYSTEM,
            Role.CATEGORY,
        ],
        ValueType.CATEGORY,
    )
)

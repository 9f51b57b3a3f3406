"""What a column's name says about its role: exact alias, alias behind a qualifier, near spelling, last word.

The tables hold names as CRMs, exports and people in several languages write them; they are compared without
case, accents, spaces and punctuation, so "First Name", "first_name", "FirstName" and "FIRST-NAME" are one.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz import fuzz, process

from detectors.roles import Role, ValueType

EXACT, QUALIFIED, NEAR, LAST_WORD = 0.95, 0.9, 0.75, 0.55
"""How far each way of reading a name is trusted before the cells are looked at."""


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ALIASES: dict[Role, str] = {
    Role.ID: """
        id recid recordid uid uuid guid uniqueid rowid externalid extid pk primarykey key code ref
        customerid customernumber customerno clientid personid leadid hsobjectid vid xmlid tupleid orderid
        ordernumber orderno saleorderid salesorderid salesorderno invoiceid taskid activityid eventid callid
        customercode kundennummer kundennr kdnr numeroclient numclient nrklienta idcliente codigocliente""",
    Role.NAME: """
        name fullname completename displayname wholename personname contactname customername clientname
        employeename partnername nomcomplet nombrecompleto nomecompleto vollstandigername kontaktname
        contact namesurname imienazwisko naam volledigenaam firstandsurname firstandlastname attn attention
        ansprechpartner""",
    Role.GIVEN_NAME: """
        firstname givenname forename fname first given christianname vorname rufname prenom nombre nombres
        nome primeironome imie voornaam fornamn fornavn etunimi keresztnev namefirst firstnm firstn nickname
        preferredname""",
    Role.MIDDLE_NAME: """
        middlename mname middle middleinitial minitial secondname additionalname zweitname deuxiemeprenom
        segundonombre tussenvoegsel mi""",
    Role.FAMILY_NAME: """
        lastname surname familyname lname last sname secondsurname nachname familienname zuname nom
        nomdefamille nomfamille apellido apellidos primerapellido sobrenome cognome nazwisko achternaam
        efternamn etternavn sukunimi vezeteknev namelast lastnm maidenname""",
    Role.COMPANY: """
        company companyname organization organisation organizationname organisationname employer accountname
        account business businessname firm firmname firma firmenname unternehmen societe entreprise
        raisonsociale empresa razonsocial azienda ragionesociale bedrijf bedrijfsnaam parentname
        parentaccount legalname organizationlegalname tradingname tradename dba vendor vendorname
        employername supplier suppliername commercialpartner commercialcompanyname parentcustomerid
        institution institutionname hospitalname facilityname schoolname sitename agency agencyname
        clinicname storename merchant merchantname venuename manufacturer manufacturername""",
    Role.EMAIL: """
        email emailaddress mail mailaddress emailadresse emailid emailaddr eaddress emailaddress1
        emailaddress2 emailaddress3 emailfrom correo correoelectronico courriel adressemail adresseemail
        posta epost emailnormalized hsemail adreseemail""",
    Role.PHONE: """
        phone phonenumber phoneno telephone telephonenumber telephoneno tel telno mobile mobilephone
        mobilenumber mobileno cell cellphone cellnumber handy handynummer telefon telefonnummer telefono
        telefone celular movil portable telephoneportable gsm landline telephone1 telephone2 telephone3
        homephone workphone officephone businessphone phonesanitized hscalculatedphonenumber whatsapp
        telefoon rufnummer contactnumber assistantphone dayphone eveningphone""",
    Role.FAX: "fax faxnumber faxno facsimile telefax faxnummer",
    Role.WEBSITE: """
        website websiteurl web url homepage weburl webaddress webpage internet domain domainname site
        siteweb paginaweb sitoweb webseite hsdomain linkedin linkedinurl""",
    Role.ADDRESS: """
        address fulladdress completeaddress wholeaddress contactaddress contactaddresscomplete
        contactaddressinline postaladdress adresse anschrift direccion endereco indirizzo adres location
        address1composite address2composite mailingaddress formattedaddress addresstext addr""",
    Role.STREET: """
        street streetaddress streetname streetline address1 addressline1 addr1 addrline1
        strasseundhausnummer addressline address1line1 address2line1 line1 line1streetaddress street1
        strasse logradouro str rue calle rua via straat ulica addressstreet primaryaddress roadname road""",
    Role.HOUSE_NUMBER: """
        housenumber houseno housenr streetnumber streetno streetnum buildingnumber buildingno hausnummer
        hausnr numerodomicilio huisnummer addressnumber numerorue""",
    Role.UNIT: """
        unit unitnumber apartment apt aptno suite suiteno floor address2 addressline2 addr2 addrline2
        street2 line2 address1line2 address2line2 flat flatno address3 addressline3 street3 complement
        complemento addresscomplement building buildingname room""",
    Role.CITY: """
        city town cityname locality municipality suburb addresscity ort stadt ville ciudad poblacion
        localidad cidade citta comune plaats woonplaats miasto address1city address2city cityortown towncity
        cityaddress citytown postort village""",
    Role.COUNTY: """
        county countyname bairro barrio neighborhood neighbourhood landkreis kreis district parish comte
        condado powiat borough""",
    Role.REGION: """
        state province region stateprovince statecode statename stateid provincecode territory bundesland
        departement provincia estado uf regione wojewodztwo voivodeship prefecture address1stateorprovince
        address2stateorprovince stateorprovince administrativearea subdivision usstate canton kanton staat
        statecd addressstate""",
    Role.POSTCODE: """
        postcode postalcode zip zipcode zippostalcode zippostcode postzipcode plz postleitzahl codepostal cp
        codigopostal cep cap postnr postnummer kodpocztowy pincode pin eircode address1postalcode
        address2postalcode zip5 zip4 zipplus4 zipcd addresszip postal ziporpostalcode""",
    Role.COUNTRY: """
        country countrycode countryname countryid nation land pays pais paese kraj land1 address1country
        address2country iso2 iso3 countryiso isocountry countryregion countryofresidence nativecountry""",
    Role.DATE_OF_BIRTH: """
        dateofbirth dob birthdate birthday birthdt datebirth bday born geburtsdatum geburtstag
        datedenaissance naissance fechadenacimiento fechanacimiento datadenascimento datadinascita
        geboortedatum dataurodzenia birthdatets""",
    Role.AGE: "age ageyears ageinyears alter edad idade eta wiek leeftijd",
    Role.GENDER: "gender sex sexcode gendercode geschlecht sexe sexo genre sesso plec geslacht",
    Role.JOB_TITLE: """
        jobtitle title position jobposition job role jobrole occupation function profession designation
        funktion berufsbezeichnung stellenbezeichnung poste fonction cargo puesto functie stanowisko
        qualifica posizione""",
    Role.INDUSTRY: """
        industry industrycode industryid sector branche secteur sectoractividad sic siccode naics naicscode
        lineofbusiness vertical brancheid settore branza""",
    Role.NATIONAL_ID: """
        nationalid nationalidentifier socsecid ssn socialsecurity socialsecuritynumber socialsecurityno nin
        ninumber nino idnumber identitynumber personalnumber passport passportnumber dni nie curp cpf pesel
        bsn personnummer steuerid aadhaar socialinsurancenumber""",
    Role.TAX_ID: """
        taxid taxnumber taxno vat vatid vatnumber vatno vatcode ustid ustidnr umsatzsteuerid steuernummer
        tva numerotva siret siren nif cif rfc cnpj gstin gst ein tin abn partitaiva piva nip taxidentifier
        btw btwnummer""",
    Role.BANK_ACCOUNT: """
        bankaccount bankaccountnumber iban accountiban bankaccountno sortcode routingnumber kontonummer
        bankverbindung comptebancaire accno acctnumber bic swift""",
    Role.AMOUNT: """
        amount total totalamount amounttotal price value dealvalue dealamount revenue expectedrevenue
        estimatedvalue actualvalue annualrevenue grandtotal subtotal netamount grossamount amountuntaxed
        unitprice listprice cost budget totalprice betrag summe preis umsatz montant prix importe precio
        valor importo kwota bedrag sales turnover estimatedrevenue salary wages income balance payment fee
        untaxedamount tax taxamount shippingcost totalcharges monthlycharges amountinhomecurrency""",
    Role.CURRENCY: """
        currency currencycode currencyid currencyisocode curr wahrung devise moneda divisa moeda valuta
        waluta transactioncurrencyid dealcurrencycode isocurrency""",
    Role.QUANTITY: """
        quantity qty units numberofitems itemcount menge anzahl quantite cantidad quantidade quantita ilosc
        aantal productuomqty""",
    Role.PROBABILITY: """
        probability prob winprobability closeprobability likelihood chance hsdealstageprobability
        wahrscheinlichkeit probabilite probabilidad conversionprobability""",
    Role.STAGE: """
        stage stagename stageid dealstage salesstage pipelinestage opportunitystage phase etape etapa fase
        verkaufsphase stepname lifecyclestage""",
    Role.STATUS: """
        status statuscode statecodename orderstatus quotestatus leadstatus hsleadstatus accountstatus
        contactstatus activitystatus statut estatus situacao stato dealstatus isactive iswon isclosed""",
    Role.REASON: """
        reason lostreason closereason lossreason closedlostreason closedwonreason lostreasonid reasonlost
        reasoncode churnreason statusreason reasonforloss grund motif motivo motivoperdida""",
    Role.CREATED_AT: """
        created createdat createddate createdon datecreated createdate creationdate creationtime dateentered
        entrydate dateadded addeddate addedon signupdate registered registrationdate registeredat joined
        joindate firstseen createdtime erstelltam angelegtam erstellungsdatum datecreation fechacreacion
        fechadecreacion datacriacao datacriacao orderdate dateorder quotedate customersince insertedat
        datedecreation""",
    Role.UPDATED_AT: """
        updated updatedat updateddate updatedon dateupdated lastupdated lastupdate modified modifiedat
        modifiedon modifieddate datemodified lastmodified lastmodifieddate lastmodifiedat writedate
        hslastmodifieddate changedat lastchanged systemmodstamp geandertam aktualisiertam datemodification
        ultimamodificacion fechamodificacion lastactivitydate lastseen lastcontacted datemodif""",
    Role.VERIFIED_AT: """
        verifiedat verified lastverified verificationdate dateverified verifieddate checkedat confirmedat
        lastconfirmed lastverifieddate validatedat""",
    Role.CLOSED_AT: """
        closedat closedate closeddate closedon dateclosed closingdate expectedclosedate expectedclosing
        estimatedclosedate actualclosedate datedeadline datedeadline completeddate completedat
        abschlussdatum datecloture fechacierre""",
    Role.OWNER: """
        owner ownerid ownername hubspotownerid salesrep salesperson salespersonid accountmanager
        accountowner assignedto assignee assigneduser assigneduserid responsible userid salesuser
        contactowner recordowner leadowner opportunityowner dealowner betreuer verkaufer vendedor commercial
        handlowiec createdby createdbyid""",
    Role.CONSENT: """
        consent optin optout emailoptout hasoptedoutofemail hasoptedoutoffax donotcall donotemail
        donotcontact donotmail emailoptin gdprconsent marketingconsent unsubscribed isblacklisted newsletter
        hsemailoptout subscribed permission donotbulkemail marketingoptin gdpr einwilligung""",
    Role.SOURCE_SYSTEM: """
        sourcesystem source src origin datasource system sourcename sourcefile originsystem importsource
        systemid quelle herkunft sourcedataset""",
    Role.ACCOUNT_REF: """
        accountid accountref accountno accountnumber companyid organizationid organisationid orgid parentid
        parentaccountid associatedcompanyid associatedcompany primarycompanyid companyref parentcustomer
        commercialpartnerid employerid""",
    Role.CONTACT_REF: """
        contactid partnerid contactref primarycontactid associatedcontactid primarycontact whoid
        customercontactid billtocontactid contactkey""",
    Role.OPPORTUNITY_REF: "opportunityid opportunityref dealid hsdealid oppid opportunitykey whatid deal",
    Role.QUOTATION_REF: "quotationid quoteid quoteref quotationref quotenumber quoteno offerid",
    Role.DATE: """
        date datum fecha data duedate activitydate startdate enddate validuntil expirationdate expirydate
        expires deliverydate shipdate deliveredat activitydatetime lastvisit plannedon validto validfrom
        commitmentdate scheduleddate reminderdatetime effectivedate""",
    Role.CATEGORY: """
        type category class segment group leadsource salutation prefix suffix language preferredlanguage
        lang rating priority customertype contacttype recordtype department maritalstatus race education
        religion ethnicity utmsource channel campaign tier anrede honorific namesuffix genderidentity
        paymentmethod contract label cluster clusterid trueid truth entityid""",
    Role.NUMBER: """
        numberofemployees employees employeecount headcount score leadscore hubspotscore count latitude
        longitude lat lon lng duration year graduationyear tenure discount numemployees hscalculatedscore
        rank weight""",
    Role.TEXT: """
        description notes note comment comments remarks subject body memo bemerkung notiz beschreibung
        remarques observaciones details summary dealname opportunityname quotename quotationname ordername
        productname product topic nextstep text""",
}

_QUALIFIERS = _set(
    """
    address associated custom studio cust employer res residence total contact contacts customer client
    person user lead partner employee member patient student applicant account company companies
    organization organisation business billing bill shipping ship invoice delivery mailing mail postal
    primary main default other alternate alternative secondary home private personal work office direct
    current new old raw original source crm sf hs hubspot salesforce odoo dynamics erp my the x dim src tbl
    properties property fields field attr attributes data to address1 address2 kunde kunden kontakt cliente
    client contacto owner head parent legal registered business2 permanent residential physical site
    """
)
_TRAILERS = _set("c r text field raw original clean std primary home work 1 2 3 4 5 txt str eur usd gbp mobile fake")

_LAST_WORDS: dict[str, Role] = {
    word: role
    for role, words in {
        Role.EMAIL: "email emails mail",
        Role.PHONE: "phone telephone mobile tel cell",
        Role.FAX: "fax",
        Role.WEBSITE: "url website webpage",
        Role.CITY: "city town",
        Role.REGION: "state province region",
        Role.POSTCODE: "zip zipcode postcode plz",
        Role.COUNTRY: "country",
        Role.ADDRESS: "address",
        Role.STREET: "street",
        Role.DATE: "date datum on until at",
        Role.AMOUNT: "amount price total cost fee revenue charges value salary gain loss fund budget",
        Role.CURRENCY: "currency",
        Role.QUANTITY: "quantity qty",
        Role.AGE: "age",
        Role.STATUS: "status",
        Role.REASON: "reason",
        Role.STAGE: "stage",
        Role.CATEGORY: "type category class group code flag style option method segment level kind",
        Role.NUMBER: "year count number rate score ratio percent average hours days size enrollment",
        Role.TEXT: "name description notes note comment comments subject text",
        Role.ID: "id key uuid guid",
        Role.NAME: "contact director manager",
    }.items()
    for word in words.split()
}

_ABBREVIATIONS = {
    "nm": "name", "num": "number", "nbr": "number", "nr": "number", "no": "number", "cd": "code", "dt": "date",
    "addr": "address", "cust": "customer", "ctry": "country", "cntry": "country", "amt": "amount", "st": "state",
    "desc": "description", "acct": "account", "org": "organization", "ph": "phone", "fst": "first", "lst": "last",
    "mid": "middle",
}  # fmt: skip

_ROW_NUMBERS = _set("index rownumber rownum row lfdnr lfdnummer nr no unnamed0 linenumber")
"""Keys of a file rather than of its records: the ID only where there is nothing better."""

_BOUNDARY = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=\d)|[^A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class NameHint:
    """What a name says: the role, how far it is trusted before the cells are seen, and why."""

    role: Role
    trust: float
    why: str


def words(name: str) -> tuple[str, ...]:
    """The words of a column name in lower case without accents: "BillingZip_code" -> billing, zip, code."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss").replace("ł", "l").replace("Ł", "L"))
    ascii_only = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return tuple(word.lower() for word in _BOUNDARY.split(ascii_only) if word)


def read_name(name: str) -> NameHint | None:
    """The role that a column's name suggests; None if it says nothing ("col1", "field_7")."""
    parts = words(name)
    if not parts:
        return None
    spelt_out = tuple(_ABBREVIATIONS.get(word, word) for word in parts)
    return (
        _exact(parts)
        or _exact(spelt_out)
        or _without_qualifiers(parts)
        or _without_qualifiers(spelt_out)
        or _near(parts)
        or _last_word(spelt_out)
    )


@lru_cache(maxsize=1)
def _table() -> dict[str, Role]:
    return {alias: role for role, aliases in _ALIASES.items() for alias in aliases.split()}


def _exact(parts: tuple[str, ...]) -> NameHint | None:
    if "".join(parts) in _ROW_NUMBERS:
        return NameHint(Role.ID, LAST_WORD, "a name for the row's number")
    role = _table().get("".join(parts))
    return None if role is None else NameHint(role, EXACT, f"a name for {role.label.lower()}")


def _without_qualifiers(parts: tuple[str, ...]) -> NameHint | None:
    """Drop "billing", "contact", "hs" in front and "c", "1", "home" behind, fewest words first."""
    fronts = [i for i in range(len(parts)) if all(word in _QUALIFIERS for word in parts[:i])]
    backs = [i for i in range(len(parts)) if all(word in _TRAILERS for word in parts[len(parts) - i :])]
    for front, back in sorted(((f, b) for f in fronts for b in backs if f + b < len(parts)), key=sum):
        core = parts[front : len(parts) - back]
        role = _table().get("".join(core))
        if role is not None and role is not Role.ID:
            return NameHint(role, QUALIFIED, f'"{" ".join(core)}" is a name for {role.label.lower()}')
    return None


def _near(parts: tuple[str, ...]) -> NameHint | None:
    """A misspelt alias. Below five letters nearly all words are near another."""
    joined = "".join(parts)
    if len(joined) < 5:
        return None
    found = process.extractOne(joined, _table().keys(), scorer=fuzz.ratio, score_cutoff=87)
    if found is None or len(found[0]) < 5:
        return None
    role = _table()[found[0]]
    if role.value_type is ValueType.KEY:  # "partner" is no "partner id"
        return None
    return NameHint(role, NEAR * found[1] / 100, f'near "{found[0]}", a name for {role.label.lower()}')


def _last_word(parts: tuple[str, ...]) -> NameHint | None:
    """ "sched_dep_time" and the like: in English and in CRMs the head of a compound stands last."""
    if parts[0] in {"is", "has"}:
        return NameHint(Role.CATEGORY, LAST_WORD, f'starts with "{parts[0]}"')
    if parts[0] in {"number", "num", "no", "nbr", "count"} and len(parts) > 1:
        return NameHint(Role.NUMBER, LAST_WORD, f'starts with "{parts[0]}"')
    last = next((word for word in reversed(parts) if not word.isdigit()), "")
    role = _LAST_WORDS.get(last)
    if role is None or len(parts) < 2:
        return None
    return NameHint(role, LAST_WORD, f'ends with "{last}"')

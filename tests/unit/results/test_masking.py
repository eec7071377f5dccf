"""Error samples show what was wrong with a field, and not whose it was."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from convoy.results.masking import without_people
from convoy.results.samples import Kept, SampleKeeper
from convoy.secrets import STARS, Redactor
from tests.unit.results import REJECTED, changed

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJuYW1lIjoiQW5uIn0.c2lnbmVk"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ('{"name": "Ann"}', '{"name": "<text, 3 characters>"}'),
        ('{"first_name": "Ann-Kathrin"}', '{"first_name": "<text, 11 characters>"}'),
        (
            '{"lastName": "", "nickname": null, "displayName": ["Ä"]}',
            '{"lastName": "", "nickname": null, "displayName": ["<text, 1 characters>"]}',
        ),
        (
            '{"name": {"first": "Ann", "last": "Lee"}}',
            '{"name": {"first": "<text, 3 characters>", "last": "<text, 3 characters>"}}',
        ),
        ('{"phone": 4930123456}', '{"phone": "<number, 10 characters>"}'),
        ('{"from": "4930123456789"}', '{"from": "<text, 13 characters>"}'),
        ('{"e-mail": "ann at home"}', '{"e-mail": "<text, 11 characters>"}'),
        ('{"text": "I am ann.lee+x@mail.example.com!"}', '{"text": "I am <e-mail address>!"}'),
        ('{"text": "jörg@exämple.de"}', '{"text": "<e-mail address>"}'),
        (r'{"text": "ann\u0040mail.example"}', '{"text": "<e-mail address>"}'),
        ("call +49 (30) 123-456 78 now", "call <phone number> now"),
        ("call 0049 30 1234567", "call <phone number>"),
        ("tel:+15551234567,", "tel:<phone number>,"),
        ("(030) 1234567 or 030/123 45 67", "<phone number> or <phone number>"),
        ("(555) 123-4567", "<phone number>"),
        ('{"from": 4915112345678}', '{"from": "<number, 13 characters>"}'),
        (
            '{"fromName": "Ann", "customerFirstName": "Bo"}',
            '{"fromName": "<text, 3 characters>", "customerFirstName": "<text, 2 characters>"}',
        ),
        (
            '{"emails": ["ann"], "fax": "12"}',
            '{"emails": ["<text, 3 characters>"], "fax": "<text, 2 characters>"}',
        ),
        (
            '{"message": "{\\"firstName\\": \\"Ann\\"}"}',
            '{"message": "{\\"firstName\\": \\"<text, 3 characters>\\"}"}',
        ),
        ("+15551234567x89 or +49\u00a030\u00a0123456", "<phone number> or <phone number>"),
        ('\ufeff{"name": ["Ann"]}\n', '{"name": ["<text, 3 characters>"]}'),
        (
            '{"callerName": "A", "legal-name": "B", "username": "C"}',
            '{"callerName": "<text, 1 characters>", "legal-name": "<text, 1 characters>", '
            '"username": "<text, 1 characters>"}',
        ),
        (
            '{"context.firstName": "A", "lastName2": "B", "a:name": "C", "names[0].last": 1}',
            '{"context.firstName": "<text, 1 characters>", "lastName2": "<text, 1 characters>", '
            '"a:name": "<text, 1 characters>", "names[0].last": 1}',
        ),
        (
            '{"label": "First name", "rejectedValue": "Ann", "id": "x-1"}',
            '{"label": "<text, 10 characters>", "rejectedValue": "<text, 3 characters>", '
            '"id": "x-1"}',
        ),
        ("(555)123-4567, 1-555-123-4567", "<phone number>, <phone number>"),
        ("06 12 34 56 78 or +49 30 - 1234567", "<phone number> or <phone number>"),
        ("030\u20111234567 or +49\u201330\u20131234567", "<phone number> or <phone number>"),
        (
            '{"fieldName": "firstName", "value": "Ann"}',
            '{"fieldName": "firstName", "value": "<text, 3 characters>"}',
        ),
        ('to "ann lee"@mail.example now', "to <e-mail address> now"),
        ("o'neil@mail.example, 'ann!x@[127.0.0.1]'", "<e-mail address>, '<e-mail address>'"),
        ("ann＠mail．example ann@mail。example", "<e-mail address> <e-mail address>"),
        ("tel ＋４９３０１２３４５６, ０３０ １２３４５６７", "tel <phone number>, <phone number>"),
        ('{"ｆirstName": "Ann"}', '{"ｆirstName": "<text, 3 characters>"}'),
        (
            '{"message": "refused: {\\"name\\": \\"Ann\\"}"}',
            '{"message": "<text, 24 characters>"}',
        ),
        ('{"message": "firstName=Ann"}', '{"message": "<text, 13 characters>"}'),
        ('{"name": "Ann", "name": ""}', "<text, 27 characters>"),
        ("ann\u200b@mail.example", "<e-mail address>"),
        ("\u0660\u0663\u0660 \u0661\u0662\u0663\u0664\u0665\u0666\u0667", "<phone number>"),
        ("+4930123456-x or _+4930123456_1", "<phone number> or <phone number>"),
        ("to +4930123456/Lee, a@b.test/Lee. Lee", "to <phone number>, <e-mail address>. Lee"),
        ("tel:03012345678", "tel:<phone number>"),
        ("a" * 100 + "@mail.example", "<e-mail address>"),
        (
            '{"from": {"id": "4930123456", "idType": "Phone"}}',
            '{"from": {"id": "<text, 10 characters>", "idType": "Phone"}}',
        ),
        (
            '{"path": "$.from.firstName", "value": "Ada"}',
            '{"path": "$.from.firstName", "value": "<text, 3 characters>"}',
        ),
        (
            '{"loc": ["from", "name"], "input": "Ada", "names[0]": "Bo"}',
            '{"loc": ["from", "name"], "input": "<text, 3 characters>", '
            '"names[0]": "<text, 2 characters>"}',
        ),
        (
            '{"addressNormalized": "4930123456789"}',
            '{"addressNormalized": "<text, 13 characters>"}',
        ),
        (
            "<html><title>502 Bad Gateway</title>Ann",
            "<text, 39 characters: 502 Bad Gateway>",
        ),
        ("<head><title>ann@mail.example</title>", "<text, 37 characters: <e-mail address>>"),
        ("<contact><title>Frau Lee</title>", "<text, 32 characters>"),
        ("firstName: Ada\nphone: 0301234567", "<text, 32 characters>"),
        ("name\tphone", "<text, 10 characters>"),
        ("The phone number 4930123456789 is wrong", "The phone number <phone number> is wrong"),
        (
            '{"callerNameRaw": "a", "emailOfCustomer": "b", "remoteNumber": "c", "id_type": "d"}',
            '{"callerNameRaw": "<text, 1 characters>", '
            '"emailOfCustomer": "<text, 1 characters>", '
            '"remoteNumber": "<text, 1 characters>", "id_type": "d"}',
        ),
        ("Tel: 0301234567, WhatsApp 4930123456", "Tel: <phone number>, WhatsApp <phone number>"),
        ("msisdn 4915112345678, cell 5551234567", "msisdn <phone number>, cell <phone number>"),
        (
            '{"account": 4917012345678, "params": ["Erika"], '
            '"codes": {"Erika M": "x", "491701234": 1}}',
            '{"account": "<number, 13 characters>", "params": ["<text, 5 characters>"], '
            '"codes": {"<text, 7 characters>": "<text, 1 characters>", "<text, 9 characters>": 1}}',
        ),
        ('"[\\"Erika M\\"]"', '"[\\"<text, 7 characters>\\"]"'),
        ("to 4917012345678:12@s.whatsapp.net", "to <e-mail address>"),
        (
            "+(49) 30 123456, + 49 30 123456, +49_30_123456, +49\u221230\u2212123456",
            "<phone number>, <phone number>, <phone number>, <phone number>",
        ),
        ("03-1234-5678, (03) 1234 5678", "<phone number>, <phone number>"),
        (
            "02 9374 4000, 06-12-34-56-78, (0)30 1234567, 00-49-30-123456",
            "<phone number>, <phone number>, <phone number>, <phone number>",
        ),
        (
            '{"officePhone": "1", "smsNumber": "2", "phoneE164": "3", "callerANI": "4"}',
            '{"officePhone": "<text, 1 characters>", '
            '"smsNumber": "<text, 1 characters>", '
            '"phoneE164": "<text, 1 characters>", '
            '"callerANI": "<text, 1 characters>"}',
        ),
        (
            '{"billing_email": "a", "emailId": "b", "firstName.value": "c", "name@en": "d"}',
            '{"billing_email": "<text, 1 characters>", '
            '"emailId": "<text, 1 characters>", '
            '"firstName.value": "<text, 1 characters>", "name@en": "<text, 1 characters>"}',
        ),
        (
            '{"propertyName": "firstName", "attemptedValue": "Ada", "received": "Bo"}',
            '{"propertyName": "firstName", "attemptedValue": "<text, 3 characters>", '
            '"received": "<text, 2 characters>"}',
        ),
        (
            '[{"k": "firstName", "v": "Ada"}, {"field": "First name", "v": "Bo"}]',
            '[{"k": "<text, 9 characters>", "v": "<text, 3 characters>"}, '
            '{"field": "<text, 10 characters>", "v": "<text, 2 characters>"}]',
        ),
        (
            '[{"label": "Name", "text": "Ada"}, {"title": "Name", "value": "Bo"}, '
            '{"question": "Your name?", "answer": "Lee"}]',
            '[{"label": "<text, 4 characters>", "text": "<text, 3 characters>"}, '
            '{"title": "Name", "value": "<text, 2 characters>"}, '
            '{"question": "<text, 10 characters>", "answer": "<text, 3 characters>"}]',
        ),
        (
            '{"fieldName": "lastName", "old": "Ada", "new": "Bo", "was": "C", "entityId": "Lee"}',
            '{"fieldName": "lastName", "old": "<text, 3 characters>", '
            '"new": "<text, 2 characters>", "was": "<text, 1 characters>", '
            '"entityId": "<text, 3 characters>"}',
        ),
        (
            '{"field": "phone", "previous": "555", "before": 5551234567, "after": ["556"]}',
            '{"field": "phone", "previous": "<text, 3 characters>", '
            '"before": "<number, 10 characters>", "after": ["<text, 3 characters>"]}',
        ),
        (
            '[{"idType": "Phone", "value": "555"}, {"type": "Email", "value": "ada"}]',
            '[{"idType": "Phone", "value": "<text, 3 characters>"}, '
            '{"type": "Email", "value": "<text, 3 characters>"}]',
        ),
        (
            '{"dob": "1815-12-10", "Geburtsdatum": "a", "customerDOB": "b", "dateOfBirth": "c"}',
            '{"dob": "<text, 10 characters>", '
            '"Geburtsdatum": "<text, 1 characters>", '
            '"customerDOB": "<text, 1 characters>", '
            '"dateOfBirth": "<text, 1 characters>"}',
        ),
        (
            '{"customer": "Ada", "contact": ["Ada Lee"], "sender": "Bo 2", "caller": 4930123456}',
            '{"customer": "<text, 3 characters>", "contact": ["<text, 7 characters>"], '
            '"sender": "<text, 4 characters>", "caller": "<number, 10 characters>"}',
        ),
        (
            '{"address": "Am Weg 5", "billingAddress": {"line1": "Am Weg 5", "code": "not.valid"}}',
            '{"address": "<text, 8 characters>", '
            '"billingAddress": {"line1": "<text, 8 characters>", "code": "not.valid"}}',
        ),
        (
            "phone number is 5551234567, mobile no. 5551234567, phone '5551234567'",
            "phone number is <phone number>, mobile no. <phone number>, phone '<phone number>'",
        ),
        (
            "Telefonnummer ist 5551234567, the caller was 4930123456789",
            "Telefonnummer ist <phone number>, the caller was <phone number>",
        ),
        ("The phone number is 0151 2345678.", "The phone number is <phone number>."),
        (
            '{"dateOfBirth": 19800212, "birthDate": -319161600000, "dob": [3.1e8], "age": 45}',
            '{"dateOfBirth": "<number, 8 characters>", '
            '"birthDate": "<number, 13 characters>", '
            '"dob": ["<number, 11 characters>"], "age": 45}',
        ),
        (
            "(11) 91234-5678, (11)1234-5678, [030] 1234567, [0151] 234 56 78",
            "<phone number>, <phone number>, <phone number>, <phone number>",
        ),
        (
            "phone #5551234567, phone (5551234567), tel [5551234567]",
            "phone #<phone number>, phone (<phone number>), tel [<phone number>]",
        ),
        (
            '[{"key": "firstName", "val": "Ada"}, {"attribute": "firstName", "text": "Bo"}]',
            '[{"key": "<text, 9 characters>", "val": "<text, 3 characters>"}, '
            '{"attribute": "<text, 9 characters>", "text": "<text, 2 characters>"}]',
        ),
        (
            '{"addresses": ["Elm Rd 5", {"line": "Elm Rd 5", "type": "home", "id": "a-1"}]}',
            '{"addresses": ["<text, 8 characters>", '
            '{"line": "<text, 8 characters>", "type": "home", "id": "a-1"}]}',
        ),
        (
            "phones: `5551234567`, phone_number - 5551234567, tel.-nr.: ( 030 1234567",
            "phones: `<phone number>`, phone_number - <phone number>, tel.-nr.: ( <phone number>",
        ),
        (
            '{"name": [{"text": "Ada Lee", "title": "Dr"}], "address": {"text": "Elm", '
            '"state": "Ohio", "unit": "5B", "code": "a.b", "type": "home"}}',
            '{"name": [{"text": "<text, 7 characters>", "title": "<text, 2 characters>"}], '
            '"address": {"text": "<text, 3 characters>", "state": "<text, 4 characters>", '
            '"unit": "<text, 2 characters>", "code": "a.b", "type": "home"}}',
        ),
        (
            '{"Ada Lee": 1, "Bob Lee": 2, "Tim Lee": 3}',
            '{"<text, 7 characters>": 1, "<text, 7 characters> (2)": 2, '
            '"<text, 7 characters> (3)": 3}',
        ),
        ('{"name": "Ada", "x": 1e400}', "<text, 27 characters>"),
        (
            "(555)1234567, +49·170·1234567, +49*170*1234567",
            "<phone number>, <phone number>, <phone number>",
        ),
        (
            "ada@corp, sip:ada@pbx, no mailbox ann&bob.smith@mail.example",
            "<e-mail address>, sip:<e-mail address>, no mailbox <e-mail address>",
        ),
        (
            "call +49\u3164170\u31641234567, no mailbox प्रिया@डाटामेल.भारत, "
            "+41'44'668'18'00, +49,30,123456; "
            "+4\ufe0f\u20e39\ufe0f\u20e330123456",
            "call <phone number>, no mailbox <e-mail address>, <phone number>, <phone number>; "
            "<phone number>",
        ),
        (
            '{"lastname": {"text": "Lee"}, "homeAddress": {"text": "Elm"}, '
            '"name1": {"title": "D"}}',
            '{"lastname": {"text": "<text, 3 characters>"}, '
            '"homeAddress": {"text": "<text, 3 characters>"}, '
            '"name1": {"title": "<text, 1 characters>"}}',
        ),
        ("to ad\u0301a\u0323@mail.example", "to <e-mail address>"),
    ],
)
def test_people_are_masked_and_the_kind_and_length_of_a_value_are_said(
    text: str, masked: str
) -> None:
    assert without_people(text) == masked


@pytest.mark.parametrize(
    ("value", "keys"),
    [
        (
            "Elm Rd 5",
            "street streetAndNumber streetLine1 home_street_full strasse Straße addressLines "
            "postalAddresses formattedAddress shipToAddress customer id state type",
        ),
        ("1980-02-12", "birthDate birthDateTime birthdayIso dateOfBirthText date_of_birth_utc dob"),
        (
            "5551234567",
            "aniNumber e164Number fromNumber from to smsAddress wa_id whatsappId callerId id",
        ),
        ("Ada_1", "emailId userName"),
        (
            "Mustermann",
            "account customerAccount candidate mandate update estate fieldValue params param1 "
            "parameterValue propertyValue fieldAgent birthDate postCode passcode realState",
        ),
        ("4111111111111111", "paymentMethod type code status path field state"),
        ("https://wa.me/4917012345678", "url linkUrl selfUri"),
        ("4917012345678:12", "id"),
        ("DE89370400440532013000", "accountId id"),
        ("4111-1111-1111-1111", "creditCardId to"),
        ("x-4915112345678", "id userId"),
        ("Ada", "firstName nick user owner city key k value x id customerId to"),
        ("Mustermann", "calledAt accountTotal nameLength customerDescription jobDescription"),
        ("CV Ada Lee.pdf", "filename fileName file_name originalFilename"),
    ],
)
def test_a_text_is_masked_below_every_key_that_is_not_known_to_hold_nobody(
    value: str, keys: str
) -> None:
    found = {key: json.loads(without_people(json.dumps({key: value})))[key] for key in keys.split()}

    assert found == dict.fromkeys(found, f"<text, {len(value)} characters>")


@pytest.mark.parametrize(
    "text",
    [
        "to=ann%40mail.example&x=1",
        'cut {"firstName": "Ann Le',
        '{"firstName" : "A\\"nn", "x": "y"',
        'cut {"phone": 15112345678, "x": [',
        "{'firstName': 'Anna', 'x': \"it's\"",
        "firstName=Ann&x=1",
        "<a><firstName>Ann Lee</firstName></a>",
        "<name><first>Ann</first></name><x>",
        '<c:name lang="en">Ann',
        "<customer name=\"Ann Lee\" phone='030'/>",
        "q=hi%20ann%2Bx%40mail.example&r",
        "tel %20%2B4930123456 %2530",
        "<p>&#43;4930123456 ann&#64;mail.example</p>",
        r'cut {"x": "\u002b4930123456',
        'cut {"name": {"first": "A}", "b": 1}, "x"',
        'cut {"names": ["Ann", "Bo',
        '["Erika Mustermann", "4917012345678"',
        '["Erika Mustermann", 3]]',
        "['Erika Mustermann', 'Berlin']",
        "[4917012345678, 4917012345679",
        "[" * 1_200 + '"Erika"' + "]" * 1_200,
        "{'names': ['Ann']}",
        '{name: "Ann", phone: 123}',
        r'cut {"body": "{\"name\": \"Ann\"}',
        "<pre>{&quot;name&quot;: &quot;Ann&quot;}</pre>",
        '{"name": "Ann"}\n{"name": "Bo"}',
        'cut {"key": "firstName", "value": "Ann", "x": {"field": "phone", "value": "030"}',
        '<input name="firstName" value="Ann"/>',
        '<field name="lastName">Lee</field>',
        "name = 'Ann', x = 'y'",
        "customer[firstName]=Ann&x=1",
        "customer%5BfirstName%5D=Ann&x",
        "{'name': ('Ann', 'Lee'), 'email': b'ann'}",
        'Content-Disposition: form-data; name="lastName"\r\nX: y\r\n\r\nLee\r\n--b--',
        "fieldName=to&page=2 <code>invalid</code>",
        "Ada Lee\u2028Bo Lee",
        "&#65&#100&#97",
        "Ada Lee\x85Bo Lee",
        *('{"name": "Ann", "more": ' + "[" * deep + "]" * deep + "}" for deep in (600, 990, 5_000)),
    ],
)
def test_what_is_no_json_is_masked_as_a_whole_where_names_may_stand_in_it(text: str) -> None:
    assert without_people(text) == f"<text, {len(text)} characters>"


@pytest.mark.parametrize(
    "token", ["7f3e0a139e1dbc08", "7-f.3e/0a+1~b", "f3/0301/2345678", "7" * 60]
)
@pytest.mark.parametrize(
    "write",
    [
        "+49 30 1234567 {}".format,
        "+493012345{}".format,
        "tel 030 12345 {} unknown".format,
        "030 1234567 {}".format,
        "{}+4930123456, or {}@mail.example".format,
        "ann@mail.{}".format,
        ("ann@mail." + "x" * 60 + "{} unknown").format,
    ],
)
def test_what_may_be_a_token_is_left_whole_or_not_at_all(
    write: Callable[..., str], token: str
) -> None:
    left = without_people(write(token, token)).replace(token, "")

    assert [part for part in (token[:4], token[-4:]) if part in left] == []


@pytest.mark.parametrize(
    "text",
    [
        '{"fieldName": "to.type", "code": "invalid_payload", "status": 400}',
        '{"id": "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d", "at": "2026-11-26T06:31:54.123Z"}',
        '{"to": "conversation-1", "count": 1234567890123, "ms": "1732602714123"}',
        "[convoy:20261126-063154-0a1b2c:conversation_messages:17]",
        "10.20.30.40:8080 took 0.123 s, version 2.47.0, 2026-11-26 06:31",
        '{"message": "The value of \'channel\' must be one of web, sms"}',
        '{"a": 1,   "b": 1e3}',
        "01-12-2026 05.06.2026 10:00, a+b&c; at 100%, [to, from] is missing",
        "20261126-063154, 2026-11-26 06:31:54, 0.1234567 0.25, 010.020.030.040, 1234567890",
        '{"fieldNames": ["c"], "smsEnabled": true, "total": 5, "limit": 12345678, "more": 123456}',
        '{"id": "conversation-1", "value": null, "details[0].fieldName": "to"}',
        '{"messagingPlatform": "web", "direction": "Inbound", "channel": {"type": "Private"}}',
        '{"contact": "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"}',
        '{"customer": {"id": "x-1", "state": "connected"}, "sender": {"type": "guest"}}',
        '{"address": {"code": "missing", "message": "is required", "type": "home"}}',
        '{"fieldName": "queueId", "entityId": "x-1", "old": 1, "new": false, "type": "string"}',
        '{"type": "phone.invalid.number", "status": 400, "before": [], "path": "$.to.type"}',
        '{"selfUri": "/api/v2/users/0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d", "severity": "error"}',
        '{"argumentName": "to", "target": "from.name", "msg": "is required", "loc": ["to"]}',
        '{"selfUri": "/api/v2/conversations/1", "detail": "it is closed", "reason": "no room"}',
        '"the conversation is closed"',
        "phone calls were 12 of 1234567, the telephone is 503, order number is 1234567",
        "[0142] 2026-11-26 06:31, [12] 1234567, list[030] 1234567, (11) 12345678, (404) 1234567",
        '{"fieldName": "firstName", "text": "is required"}',
        '{"error_description": "is expired", "errorMessage": "no", "defaultMessage": "closed"}',
        '{"timeTotal": "12.5ms", "validTime": "PT1H30M", "date": "2026-11-26", "size": "5%"}',
        '{"addresses": [{"code": "missing", "message": "is required"}], "addressType": "home"}',
    ],
)
def test_ids_moments_and_fields_are_left_as_they_are(text: str) -> None:
    assert without_people(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "+1" * 3_000,
        "a@" * 3_000,
        "a." * 3_000,
        '"name":' * 900,
        "[" * 6_000,
        "0" * 6_000,
        "(0" * 3_000,
        "a=" * 3_000,
        "<aa>" * 1_500,
        "'aa':" * 1_200,
        "'aa':'" + "\\'" * 3_000,
        "<name>" * 1_000,
        '<a name="' * 700,
        "<a " + "name= " * 1_000,
        "a[b]." * 1_200,
        "('" * 3_000,
        "<name " * 1_000,
        '"name":[' * 700,
        '"name":{"' * 700,
        'name="' * 1_000,
        "%2525" * 1_200,
        "a'" * 3_000,
        '"a' * 3_000,
        'name="aa"\n' * 600,
        'name="aa"\n\n' * 600,
        "&amp;quot;" * 600,
        "+4930123456" + "a." * 3_000 + "+4930123456",
        "+4930123456" + "." * 6_000,
        "+4930123456a" * 600,
        json.dumps({f"v{number}": "x" for number in range(2_000)}),
        "phone " * 3_000,
        "phone number is ... " * 900,
        "[030] " * 1_500,
        "[01234" * 1_500,
        "(11) 1234" * 1_200,
        "phone ##" * 1_200,
        '{"' + "a_" * 9_000 + '": [' + ",".join("1" * 9_000) + "]}",
        '{"id": "' + "1_" * 9_000 + ' x"}',
        "a" + "\u0301\u0323" * 9_000,
        "phone_" * 3_000,
    ],
)
def test_the_time_is_linear_in_a_text_that_a_stranger_has_written(text: str) -> None:
    began_s = time.process_time()

    without_people(text)

    assert time.process_time() - began_s < 1


def answered(kept: Kept, body: bytes) -> list[tuple[str, str]]:
    """Request and answer of the samples of a failure, with one secret known."""
    redactor = Redactor()
    redactor.register('s3"cret')
    keeper = SampleKeeper(redactor.redact, kept)
    keeper.offer(changed(REJECTED, body=body), 1.0, body)
    report = keeper.report()["400 invalid_payload"]
    return [(each.request, each.answer) for each in report.samples]


BODY = json.dumps({"firstName": "Ann", "said": 's3"cret', "jwt": JWT}).encode()


def test_samples_are_masked_by_default() -> None:
    [(request, answer)] = answered("masked", BODY)

    assert request == answer
    assert json.loads(answer) == {
        "firstName": "<text, 3 characters>",
        "said": STARS,
        "jwt": STARS,
    }


def test_full_samples_hold_people_and_still_no_secrets() -> None:
    [(_, answer)] = answered("full", BODY)

    assert json.loads(answer) == {"firstName": "Ann", "said": STARS, "jwt": STARS}


def test_without_samples_it_is_still_known_when_an_error_was_seen() -> None:
    keeper = SampleKeeper(str, "none")
    keeper.offer(REJECTED, 1.0, b"")

    told = keeper.report()["400 invalid_payload"]

    assert (told.first_s, told.last_s, told.samples) == (1.0, 1.0, ())


def test_people_beyond_the_part_that_is_shown_are_not_shown() -> None:
    body = b'{"x": "' + b"." * 2_000 + b'", "firstName": "' + b"A" * 9_000 + b'"}'

    [(_, answer)] = answered("masked", body)

    assert "AA" not in answer

-- Documents: the JSON text is the truth; the columns below it are read out of it for searching.
CREATE TABLE documents (
    kind TEXT NOT NULL,
    org_id TEXT NOT NULL,
    id TEXT NOT NULL,
    document TEXT NOT NULL,
    created_at TEXT NOT NULL AS (json_extract(document, '$.createdAt')),
    updated_at TEXT NOT NULL AS (json_extract(document, '$.updatedAt')),
    status TEXT AS (json_extract(document, '$.status')),
    assistant_id TEXT AS (json_extract(document, '$.assistantId')),
    phone_number_id TEXT AS (json_extract(document, '$.phoneNumberId')),
    number TEXT AS (json_extract(document, '$.number')),
    sip_uri TEXT AS (json_extract(document, '$.sipUri')),
    sip_user TEXT AS (
        CASE WHEN instr(sip_uri, '@') > instr(sip_uri, ':') THEN
            substr(sip_uri, instr(sip_uri, ':') + 1, instr(sip_uri, '@') - instr(sip_uri, ':') - 1)
        END
    ),
    PRIMARY KEY (kind, org_id, id)
) STRICT;

CREATE INDEX documents_newest ON documents (kind, org_id, created_at DESC, id);
CREATE INDEX documents_by_number ON documents (number) WHERE kind = 'phone_number';
CREATE INDEX documents_by_sip_user ON documents (sip_user) WHERE kind = 'phone_number';
CREATE INDEX documents_live ON documents (created_at) WHERE kind = 'call' AND status <> 'ended';

CREATE TABLE timeline (
    org_id TEXT NOT NULL,
    call_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    time TEXT NOT NULL,
    source TEXT NOT NULL,
    type TEXT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (org_id, call_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER timeline_goes_with_its_call AFTER DELETE ON documents WHEN old.kind = 'call'
BEGIN
    DELETE FROM timeline WHERE org_id = old.org_id AND call_id = old.id;
END;

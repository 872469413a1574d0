-- The statements of the SQLite store, by name. Each is one atomic step.

-- name: insert
INSERT INTO documents (kind, org_id, id, document) VALUES (:kind, :org_id, :id, :document);

-- name: get
SELECT document FROM documents WHERE kind = :kind AND org_id = :org_id AND id = :id;

-- name: find
-- An absent bound arrives as '' or '~', which lie below and above every timestamp.
SELECT document FROM documents
WHERE kind = :kind AND org_id = :org_id
    AND created_at > :created_gt AND created_at >= :created_ge
    AND created_at < :created_lt AND created_at <= :created_le
    AND updated_at > :updated_gt AND updated_at >= :updated_ge
    AND updated_at < :updated_lt AND updated_at <= :updated_le
    AND (:id IS NULL OR id = :id)
    AND (:assistantId IS NULL OR assistant_id = :assistantId)
    AND (:phoneNumberId IS NULL OR phone_number_id = :phoneNumberId)
    AND (:status IS NULL OR status = :status)
    AND (:number IS NULL OR number = :number)
ORDER BY created_at DESC, id
LIMIT :limit;

-- name: replace
UPDATE documents SET document = :document
WHERE kind = :kind AND org_id = :org_id AND id = :id
RETURNING id;

-- name: merge
UPDATE documents SET document = shallow_merge(document, :changes)
WHERE kind = :kind AND org_id = :org_id AND id = :id
RETURNING document;

-- name: delete
DELETE FROM documents WHERE kind = :kind AND org_id = :org_id AND id = :id
RETURNING document;

-- name: phone_number_for
-- Across organisations: an inbound call does not know whose number it dialled.
SELECT document FROM documents
WHERE kind = 'phone_number' AND (number = :user OR sip_user = :user)
ORDER BY created_at, id
LIMIT 1;

-- name: every
-- Across organisations: trunks and their numbers are known to the whole process.
SELECT document FROM documents
WHERE kind = :kind AND created_at >= :created_from
ORDER BY created_at, id;

-- name: live_calls
-- Across organisations: after a restart every call that was cut off is ended.
SELECT document FROM documents
WHERE kind = 'call' AND status <> 'ended'
ORDER BY created_at, id;

-- name: append_timeline
INSERT INTO timeline (org_id, call_id, seq, time, source, type, data)
SELECT
    :org_id, :call_id,
    item.key + 1 + (
        SELECT coalesce(max(seq), 0) FROM timeline WHERE org_id = :org_id AND call_id = :call_id
    ),
    json_extract(item.value, '$[0]'), json_extract(item.value, '$[1]'),
    json_extract(item.value, '$[2]'), json_extract(item.value, '$[3]')
FROM json_each(:items) AS item
WHERE EXISTS (
    SELECT 1 FROM documents WHERE kind = 'call' AND org_id = :org_id AND id = :call_id
);

-- name: timeline
SELECT seq, time, source, type, data FROM timeline
WHERE org_id = :org_id AND call_id = :call_id AND seq > :after
ORDER BY seq
LIMIT :limit;

-- Claims and commits that no worker has freed or parked when it should have: is one running?
SELECT message.id AS message_id, message.state, message.lease_until, message.committed_at
FROM sending_message AS message
WHERE (message.state = 'claimed' AND message.lease_until < %(lease_over)s)
    OR (message.state = 'committed' AND message.committed_at < %(grace_over)s)
ORDER BY message.id

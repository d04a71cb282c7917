-- Mails that left a run more than 10 s after it was paused or stopped, and before it was resumed.
SELECT message.id AS message_id, event.kind, event.created_at AS stood_since, message.departed_at
FROM sending_message AS message
JOIN campaigns_campaign AS campaign ON campaign.lane_id = message.lane_id
JOIN apikeys_event AS event
    ON event.campaign_id = campaign.id AND event.kind IN ('campaign.paused', 'campaign.stopped')
WHERE message.state IN ('committed', 'sent', 'unknown')
    AND extract(epoch FROM message.departed_at) > extract(epoch FROM event.created_at) + 10
    AND NOT EXISTS (
        SELECT 1 FROM apikeys_event AS again
        WHERE again.campaign_id = campaign.id
            AND again.kind IN ('campaign.resumed', 'campaign.launched')
            AND again.created_at >= event.created_at
            AND extract(epoch FROM again.created_at) < extract(epoch FROM message.departed_at) + 10
    )
ORDER BY message.departed_at

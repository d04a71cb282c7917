-- Campaign mails that left, or may have, and count for no step of a lead who is still enrolled: the step may go out again.
SELECT message.id AS message_id, message.state, message.to_email
FROM sending_message AS message
JOIN campaigns_campaign AS campaign ON campaign.lane_id = message.lane_id
JOIN campaigns_enrollment AS enrollment
    ON enrollment.campaign_id = campaign.id AND enrollment.lead_id = message.lead_id
LEFT JOIN campaigns_touch AS touch ON touch.message_id = message.id
WHERE message.kind = 'campaign' AND message.state IN ('committed', 'sent', 'unknown') AND touch.id IS NULL
ORDER BY message.id

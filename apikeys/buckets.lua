-- Take from all of a caller's buckets, or from none. The twin of buckets.take(): the same whole numbers.
-- KEYS[1]  the caller's hash: '<bucket>:level' and '<bucket>:at', absent when the bucket is full
-- ARGV     now in microseconds ('' = this server's clock), cost, then name, capacity, period (microseconds) per bucket
-- Answer   {1 taken or 0 refused, now, level of each bucket after it …}
-- A request costs `period` units and `capacity` units come back every microsecond, so nothing is ever rounded.
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local cost, taken, longest, levels = tonumber(ARGV[2]), 1, 0, {}
for i = 3, #ARGV, 3 do
  local name, capacity, period = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local kept = redis.call('HMGET', KEYS[1], name .. ':level', name .. ':at')
  local level = capacity * period
  if kept[1] then
    local passed = math.min(math.max(now - tonumber(kept[2]), 0), period)
    level = math.min(tonumber(kept[1]) + passed * capacity, level)
  end
  if level < math.min(cost, capacity) * period then taken = 0 end
  longest = math.max(longest, period)
  levels[#levels + 1] = level
end
if taken == 1 then
  for i = 3, #ARGV, 3 do
    local name, capacity, period = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
    local n = i / 3
    levels[n] = levels[n] - math.min(cost, capacity) * period
    -- tostring() would keep 14 digits only.
    redis.call('HSET', KEYS[1], name .. ':level', string.format('%.0f', levels[n]),
      name .. ':at', string.format('%.0f', now))
  end
  -- After the longest period without a request every bucket is full, which is what absence means.
  redis.call('PEXPIRE', KEYS[1], math.ceil(longest / 1000))
end
return {taken, now, unpack(levels)}

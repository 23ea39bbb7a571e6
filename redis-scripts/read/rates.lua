-- rates: reads how many runs started and ended lately.
-- args   window_ms
-- reply  rates span_ms started completed failed cancelled     all runs, also children; span_ms 0: it is not known

function verbs.rates()
  local span, changes = lib.tally.since(tonumber((lib.next_arg())))
  if not span then return { "rates", 0, 0, 0, 0, 0 } end
  return { "rates", span, unpack(changes) }
end

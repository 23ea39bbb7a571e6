-- refuse: a host says which of its folders it does not load as they are now, so that people see it without its log.
-- args   host  n  (folder bundle faults)×n
--        all folders that are refused now; none: all are loaded again. bundle: the one that still serves.
--        faults: lines, bounded by the host
-- reply  told

function verbs.refuse()
  local host, refused = lib.next_arg(), {}
  for i = 1, tonumber(lib.next_arg()) do refused[i] = { lib.next_args(3) } end
  local about = "host:" .. host
  if refused[1] then
    lib.write("HSET", about, "refused", cjson.encode(refused))
  else
    lib.write("HDEL", about, "refused")
  end
  return { "told" }
end

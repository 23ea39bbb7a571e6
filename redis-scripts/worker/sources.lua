-- sources: reads the files of a bundle.
-- args   bundle
-- reply  sources (path source)… | missing

function verbs.sources()
  local files = redis.call("HGETALL", lib.key("bundle:" .. lib.next_arg()))
  if #files == 0 then return { "missing" } end
  table.insert(files, 1, "sources")
  return files
end

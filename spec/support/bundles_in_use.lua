-- Answers of Redis about three bundles: bb serves four workflows; aa serves one and has two attempts; cc serves none
-- and has one attempt. Folders of a living and of a dead host hold bb.

---@param side weir.spec.Side
return function(side)
  side.answers.bundles = { "bundles", "aa", "3", "96000", "2", "bb", "7", "99000", "0", "cc", "", "", "1" }
  side.answers.registry = {
    "registry", "old", '{"bundle":"aa"}', "w1", '{"bundle":"bb"}', "w2", '{"bundle":"bb"}', "w3", '{"bundle":"bb"}',
    "w4", '{"bundle":"bb"}', "weir.data", '{"bundle":"bb"}',
  }
  side.answers.hosts = { "hosts", "1", "host-1", "104000", "2", 0, "*", "bb aa", "", "", "", "",
    "2", "dead", "0", "2", 0, "*", "bb", "", "", "", "" }
end

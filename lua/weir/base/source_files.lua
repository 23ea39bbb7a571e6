-- Which files of a folder belong to its bundle: those that end in .lua, except specs and hidden files. The host has the
-- same rule in C (host/assets/bundle.c).

local source_files = {
  DEEPEST = 16, ---folders below each other that are read
}

---@param path string relative to the folder
---@return boolean
function source_files.is_spec(path)
  return path:find "_spec%.lua$" ~= nil or ("/" .. path):find("/spec/", 1, true) ~= nil
end

---@param path string relative to the folder
---@return boolean
function source_files.is_source(path)
  return path:find "%.lua$" ~= nil and not source_files.is_spec(path) and not ("/" .. path):find("/.", 1, true)
end

return source_files

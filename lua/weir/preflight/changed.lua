-- Finds the workflows that a change of files may affect: those whose file has changed, or a file that it requires,
-- directly or not. It reads the text of the files, so a `require` inside a function counts as well. A file that
-- computes the name in a `require` may require any file. Globals that one file sets and another reads are not followed.

local changed = {}

-- The modules that a file requires by name, and whether it may require others.
local function required_by(source)
  local names, any = {}, false
  for rest in source:gmatch "%f[%w_]require%f[^%w_]%s*%(?%s*([^\n]*)" do
    local name, behind = rest:match "^[\"']([^\"']*)[\"']%s*(%.?%.?)"
    if name and behind ~= ".." then names[#names + 1] = name else any = true end
  end
  return names, any
end

-- The paths at which a module may be, in the folder before the change or after it.
local function paths_of(name)
  local base = name:gsub("%.", "/")
  return base .. ".lua", base .. "/init.lua"
end

---@param before table<string, string> path -> source
---@param now table<string, string>
---@return table<string, boolean> touched paths of `now`
function changed.files(before, now)
  local touched, some = {}, false
  for path, source in pairs(now) do
    if before[path] ~= source then touched[path], some = true, true end
  end
  for path in pairs(before) do
    if not now[path] then touched[path], some = true, true end
  end
  if not some then return {} end
  local requires = {}
  for path, source in pairs(now) do
    local names, any = required_by(source)
    requires[path] = names
    if any then touched[path] = true end
  end
  local grown
  repeat
    grown = false
    for path, names in pairs(requires) do
      for _, name in ipairs(touched[path] and {} or names) do
        local file, folder = paths_of(name)
        if touched[file] or touched[folder] then touched[path], grown = true, true end
      end
    end
  until not grown
  for path in pairs(touched) do touched[path] = now[path] and true or nil end
  return touched
end

---The workflows whose code, or the code of a file that they require, has changed.
---@param loaded weir.Bundle of `now`
---@param before table<string, string>
---@param now table<string, string>
---@return string[] ids in order
function changed.workflows(loaded, before, now)
  local touched, ids = changed.files(before, now), {}
  for id, definition in pairs(loaded.workflows) do
    if touched[definition.file] then ids[#ids + 1] = id end
  end
  table.sort(ids)
  return ids
end

return changed

-- The client functions and commands hold on to one transport, so a spec that brings its own loads them anew.

local clients = {}

local FOLDERS = { cli = true, client = true, transport = true, native = true }

---Unloads the client functions, the commands and what C gives them.
function clients.unload()
  for _, loaded in ipairs { package.loaded, package.preload } do
    for name in pairs(loaded) do
      local folder = name:match "^weir%.(%l+)"
      if FOLDERS[folder] then loaded[name] = nil end
    end
  end
end

---Loads them anew on what stands for C.
---@param native table what a spec gives for weir.native.client
function clients.load(native)
  clients.unload()
  package.preload["weir.native.client"] = function() return native end
  package.preload["weir.native.host"] = function() return { seed = function() return 12345 end } end
  require("weir.client.transport").use(require "weir.transport.blocking")
end

return clients

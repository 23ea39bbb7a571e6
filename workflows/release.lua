-- ctx:parallel: branches of durable code side by side. ctx:scope: the same code twice in one run.
--
--   weir run release --dir workflows --data '{"version":"1.4"}'
local weir = require "weir"

-- A helper with ids of its own. Called twice in one run it would ask for "build" twice; a scope keeps them apart.
local function build(ctx, target)
  local built = ctx:step("build", function() return "built for " .. target end)
  ctx:sleep { id = "settle", duration = "10ms" }
  return built
end

local release = weir.workflow {
  id = "release",
  run = function(ctx, data)
    local first = ctx:scope("amd64", function(scope) return build(scope, "amd64") end)
    local second = ctx:scope("arm64", function(scope) return build(scope, "arm64") end)

    -- The branches begin together. If one fails, the others are cancelled, and the failure is raised when all have
    -- ended.
    local published = ctx:parallel {
      id = "publish",
      branches = {
        mirror = function(branch)
          branch:sleep("20ms")
          return branch:step("upload", function() return "mirror has " .. data.version end)
        end,
        announce = function(branch)
          if data.silent then error(weir.fatal "there is no one to tell") end
          return branch:step("mail", function() return "told of " .. data.version end)
        end,
      },
    }
    return { packages = { first, second }, published = published }
  end,
}

return { release }

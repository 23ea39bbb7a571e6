-- The value that a waiting coroutine yields. Branches yield it, and the coroutine library of workflow code passes it
-- outwards through an author's own coroutines.

return setmetatable({}, { __name = "weir.park" })

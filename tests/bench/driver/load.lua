-- wrk's requests. WRK_HANDLES: a file with the handle of one session a line; with more than one, each request
-- draws its own. The other headers are those of the check, in WRK_CHECK.
local head, tail = io.open(os.getenv("WRK_CHECK"), "rb"):read("*a"):match("^(.*){handle}(.*)$")

local requests = {}
for handle in io.lines(os.getenv("WRK_HANDLES")) do
    requests[#requests + 1] = head .. handle .. tail
end

local random, count = math.random, #requests
math.randomseed(tonumber(os.getenv("WRK_SEED")))

function request()
    return requests[random(count)]
end

-- The check for Apache's mod_lua, with LuaSocket: goes to /etc/apache2/doorward.lua.

local doorward = "http://127.0.0.1:4180"        -- HERE: [server] listen

local http = require("socket.http")
local ltn12 = require("ltn12")
http.TIMEOUT = 10

-- What the app is told.
local told = { "Remote-User", "Remote-Groups", "Remote-Name", "Remote-Email" }

-- Who somebody is, and what is asked for, is never the client's to say.
local ours = { "^remote%-", "^x%-forwarded%-", "^x%-original%-", "^x%-real%-ip$", "^forwarded$", "^proxy%-connection$" }
-- Many apps read Remote_User, or Remote.User, as Remote-User: such a name does not arrive.
local plain = "^[A-Za-z0-9-]+$"

-- What belongs to one connection or to the body is not for the check.
local not_for_the_check = {
    ["content-length"] = true, ["expect"] = true, ["host"] = true, ["keep-alive"] = true, ["te"] = true, ["trailer"] = true,
    ["transfer-encoding"] = true, ["upgrade"] = true,
}
-- What belongs to the connection to Doorward is not for the client.
local not_for_the_client = {
    ["connection"] = true, ["content-length"] = true, ["content-type"] = true, ["date"] = true, ["keep-alive"] = true,
    ["transfer-encoding"] = true,
}

local function is_ours(name)
    for _, pattern in ipairs(ours) do
        if name:find(pattern) then
            return true
        end
    end
    return not name:find(plain)
end

-- Takes away what the client may not say. What remains is for the check.
local function cleaned(r)
    local headers = {}
    for name, value in pairs(r:headers_in_table()) do
        local lower = name:lower()
        if is_ours(lower) then
            r.headers_in[name] = nil
        elseif not not_for_the_check[lower] then
            headers[lower] = value
        end
    end
    -- Apache takes away what a `Connection` names, also the headers that Doorward sends.
    local upgrade = (r.headers_in["Upgrade"] or ""):lower() == "websocket"
    -- WebSockets, and no other protocol: what follows such a switch is not asked about.
    if not upgrade then r.headers_in["Upgrade"] = nil end
    local close = (headers["connection"] or ""):lower():find("close")
    r.headers_in["Connection"] = upgrade and (close and "Upgrade, close" or "Upgrade") or close and "close" or nil
    headers["connection"] = nil
    -- The host that Apache serves. With an absolute address in the request line, `Host` may name another one.
    local scheme = r.is_https and "https" or "http"
    local host = r.hostname or ""
    if r.port ~= (r.is_https and 443 or 80) then
        host = host .. ":" .. r.port
    end
    r.headers_in["Host"] = host
    for name, value in pairs({ ["X-Forwarded-For"] = r.useragent_ip, ["X-Forwarded-Proto"] = scheme, ["X-Forwarded-Host"] = host }) do
        r.headers_in[name] = value
        headers[name:lower()] = value
    end
    return headers
end

function check(r)
    local headers = cleaned(r)
    if r.uri:find("^/oauth2/") then
        return apache2.DECLINED
    end
    headers["x-forwarded-method"] = r.method
    -- As the client wrote it, without the host that an absolute address begins with.
    headers["x-forwarded-uri"] = r.unparsed_uri:gsub("^%a[%w+.-]*://[^/?#]*", "", 1)
    local body = {}
    local _, status, answer = http.request({
        url = doorward .. "/api/authz/forward-auth", headers = headers, redirect = false, sink = ltn12.sink.table(body),
    })
    if status == 200 then
        for _, name in ipairs(told) do
            r.headers_in[name] = answer[name:lower()] or ""
        end
        -- The request's cookies without Doorward's own. No `Cookie` in the answer: `hide_cookies` is off.
        if answer["cookie"] then
            r.headers_in["Cookie"] = answer["cookie"] ~= "" and answer["cookie"] or nil
        end
        return apache2.OK
    end
    if type(status) ~= "number" or status < 300 or status >= 500 then
        r.err_headers_out["Retry-After"] = "5"
        return 503
    end
    for name, value in pairs(answer) do
        if not not_for_the_client[name] then
            r.err_headers_out[name] = value
        end
    end
    -- The page that says why, in place of Apache's own, in the letters that it names itself.
    local page = table.concat(body)
    if page ~= "" then
        r.subprocess_env["suppress-error-charset"] = "1"
        r:custom_response(status, page)
    end
    return status
end

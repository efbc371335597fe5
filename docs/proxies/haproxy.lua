-- The check for HAProxy 2.6 or newer: goes to /etc/haproxy/doorward.lua. haproxy.cfg calls it as `lua.doorward ADDRESS`.

-- What the app is told. `cookie`: the request's cookies without Doorward's own, with `hide_cookies = true`.
local told = { "remote-user", "remote-groups", "remote-name", "remote-email", "cookie" }

-- What belongs to one connection or to the body is not for the check.
local not_for_the_check = {
    ["connection"] = true, ["content-length"] = true, ["expect"] = true, ["keep-alive"] = true, ["proxy-connection"] = true,
    ["te"] = true, ["trailer"] = true, ["transfer-encoding"] = true, ["upgrade"] = true,
}
-- Nor is what belongs to the answer of the check for the client.
local not_for_the_client = {
    ["connection"] = true, ["content-length"] = true, ["keep-alive"] = true, ["transfer-encoding"] = true,
}

-- HAProxy counts values from 0 in some tables and from 1 in others.
local function copied(headers, left_out)
    local copy = {}
    for name, values in pairs(headers) do
        if not left_out[name] then
            local list = {}
            for _, value in pairs(values) do
                list[#list + 1] = value
            end
            copy[name] = list
        end
    end
    return copy
end

local function unavailable(txn)
    txn:done(txn:reply({
        status = 503,
        headers = { ["retry-after"] = { "5" }, ["cache-control"] = { "no-store" }, ["content-type"] = { "text/plain" } },
        body = "Signing in is not possible at the moment. Try again in a few seconds.\n",
    }))
end

core.register_action("doorward", { "http-req" }, function(txn, address)
    local headers = copied(txn.http:req_get_headers(), not_for_the_check)
    headers["x-forwarded-method"] = { txn.sf:method() }
    headers["x-forwarded-uri"] = { txn.sf:pathq() }
    local answer = core.httpclient():get({
        url = "http://" .. address .. "/api/authz/forward-auth", headers = headers, timeout = 10000,
    })
    local status = answer and answer.status or 0
    if status >= 200 and status < 300 then
        for _, name in ipairs(told) do
            local values = answer.headers[name]
            -- Always in place of what the client sent. No `Cookie` in the answer: `hide_cookies` is off.
            if values then
                txn.http:req_set_header(name, values[0] or values[1])
            elseif name ~= "cookie" then
                txn.http:req_del_header(name)
            end
        end
        -- HAProxy goes on with a request after a fault in a script: only what has come to this line may pass.
        txn:set_var("txn.doorward", "allowed")
    elseif status >= 300 and status < 500 then
        txn:done(txn:reply({ status = status, headers = copied(answer.headers, not_for_the_client), body = answer.body }))
    else
        unavailable(txn)
    end
end, 1)

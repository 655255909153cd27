%% The door of a test node: evaluates expressions that come over a loopback socket, each behind the token.
%% It runs after the broker's boot, so a door that answers belongs to a broker that is up.
spawn(fun() ->
    {ok, Listen} = gen_tcp:listen(@PORT@,
        [binary, {ip, {127,0,0,1}}, {packet, 4}, {active, false}, {reuseaddr, true}]),
    Evaluate = fun(Text) ->
        {ok, Tokens, _} = erl_scan:string(Text),
        {ok, Expressions} = erl_parse:parse_exprs(Tokens),
        {value, Value, _} = erl_eval:exprs(Expressions, []),
        Value
    end,
    Answer = fun(Text) ->
        try ["ok ", io_lib:format("~0tp", [Evaluate(Text)])]
        catch Class:Reason -> ["no ", io_lib:format("~0tp", [{Class, Reason}])]
        end
    end,
    Talk = fun Talk(Socket) ->
        case gen_tcp:recv(Socket, 0) of
            {ok, <<"@TOKEN@ ", Text/binary>>} ->
                Said = Answer(unicode:characters_to_list(Text)),
                ok = gen_tcp:send(Socket, unicode:characters_to_binary(Said)),
                Talk(Socket);
            _ ->
                gen_tcp:close(Socket)
        end
    end,
    Accept = fun Accept() ->
        {ok, Socket} = gen_tcp:accept(Listen),
        Talker = spawn(fun() -> receive go -> Talk(Socket) end end),
        ok = gen_tcp:controlling_process(Socket, Talker),
        Talker ! go,
        Accept()
    end,
    Accept()
end).

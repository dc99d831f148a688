"""Holds the command line's texts in English. Each key is in every catalogue."""

from __future__ import annotations

from typing import Dict

ENGLISH: Dict[str, str] = {
    # the frame of every help page
    "usage": "usage: ",
    "options": "options",
    "arguments": "arguments",
    "commands": "commands",
    "examples": "examples:",
    "help.help": "show this help",
    "help.version": "show the version",
    "help.verbose": "log everything (secrets stay hidden)",
    "help.json": "print JSON, for scripts",
    "about": "WeChat bots without asyncio: personal WeChat and WeCom.",
    "start.here": (
        "Start here: wxsdk demo shows everything on simulators, wxsdk sim lets you chat with your own bot in the\n"
        "browser, wxsdk login logs a real bot in. wxsdk COMMAND --help explains a command."
    ),
    "exit.codes": (
        "exit codes:\n"
        "  0    done\n"
        "  1    the platform, the network or a check said no\n"
        "  2    wrong usage or settings; nothing was sent\n"
        "  3    another process runs this bot\n"
        "  4    it is not known whether the message went out; do not simply repeat\n"
        "  130  Ctrl-C\n"
        "  141  the reader of a pipe has gone away"
    ),
    # options that several commands have
    "opt.account": "the saved account to use (wxsdk accounts list)",
    "opt.credentials": "the file of an account, in place of a saved one",
    "opt.aibot": "a WeCom AI bot (default: personal WeChat, or what the account is)",
    "opt.base_url": "another iLink server, such as a simulator's",
    "opt.cdn_base_url": "another iLink media server",
    "opt.ws_url": "another WeCom gateway, such as a simulator's",
    "opt.store": "the SQLite file of the bot",
    # run
    "run": "run the Bot of a program, on the simulators if wanted",
    "run.program": "bot.py, bot.py:name, module or module:name",
    "run.sim": "on the simulators, with a page to chat with the bot",
    "run.reload": "start anew when a source file changes",
    "run.account": "serve this saved account, too (repeatable)",
    "run.store": "an SQLite file that keeps messages, conversations and states",
    "run.examples": "wxsdk run bot.py --sim --reload\nwxsdk run mybot:bot --account support --store bot.db",
    "run.running": "Running {names}. Ctrl-C stops.",
    "run.stopped": "Stopped.",
    "run.simulated": "The bot runs on the simulators; no account is used. Ctrl-C stops.",
    "run.ended_at_once": "Ended at once.",
    "run.no_bot": "The program adds no bot.",
    "run.no_bot.remedy": "Call bot.add(…) in it, name an account (--account NAME), or use --sim.",
    "run.no_file": "There is no file {file}.",
    "run.no_file.remedy": "Give the program with your Bot: wxsdk run bot.py",
    "run.watching": "Watching {folder} for changes.",
    "run.changed": "{file} changed; starting anew.",
    "run.ended": "The program ended (exit status {status}); waiting for a change.",
    # login
    "login": "log a bot in and keep its account",
    "login.name": "the name to keep it under (default: default)",
    "login.headless": "print the code's address in place of the code",
    "login.aibot": "keep the bot id and the secret of a WeCom AI bot",
    "login.bot_id": "the WeCom bot's id; its secret is asked for, or read from WXSDK_SECRET",
    "login.examples": (
        "wxsdk login                        personal WeChat, by QR code\n"
        "wxsdk login --account support      under a name of its own\n"
        "wxsdk login --aibot --bot-id aib…  a WeCom AI bot"
    ),
    "login.scan": "Scan this with WeChat:",
    "login.address": "Show this address as a QR code, and scan it with WeChat:",
    "login.number": "The number shown on the phone: ",
    "login.wrong": "That number was wrong. The number shown on the phone: ",
    "login.bound": "This WeChat account is bound to the bot already; the token that you have stays valid.",
    "login.done": "Logged in as {bot}. The account {name!r} is in {path}.",
    "login.kept": "The account {name!r} is in {path}.",
    "login.ask_bot_id": "The bot id: ",
    "login.ask_secret": "The secret: ",
    "login.state.wait": "waiting for the scan",
    "login.state.scaned": "scanned; confirm it on the phone",
    "login.state.scaned_but_redirect": "scanned; the platform moves the login to another server",
    "login.state.need_verifycode": "the phone shows a number",
    "login.state.verify_code_blocked": "too many wrong numbers; here is another code",
    "login.state.expired": "the code expired; here is another one",
    "login.state.binded_redirect": "bound already",
    "login.state.confirmed": "confirmed",
    # fleet
    "fleet": "run many bots on many processes and machines that share a store",
    "fleet.run": "take part in the fleet with the Bot of a program",
    "fleet.status": "show who runs which bot",
    "fleet.add": "add a saved account to the fleet, or give it its new settings",
    "fleet.remove": "remove a bot from the fleet",
    "fleet.capacity": "how many bots this process takes at most (1000)",
    "fleet.name": "the bot's name in the fleet",
    "fleet.account": "the saved account (default: the one of that name)",
    "fleet.store": "redis://…, postgresql://… or an SQLite file (default: $WXSDK_STORE, which hides a password)",
    "fleet.prefix": "what the names in the store begin with (wxsdk)",
    "fleet.allow_plain": "keep values unencrypted on the server when $WXSDK_STORE_KEY is not set",
    "fleet.examples": "wxsdk fleet run bot.py --store redis://10.0.0.5/0\nwxsdk fleet add shop-17\nwxsdk fleet status",
    "fleet.no_store": "There is no store: give --store, or set WXSDK_STORE.",
    "fleet.runs": "This process takes part in the fleet. Ctrl-C stops.",
    "fleet.added": "{name} is in the fleet; a process takes it within 5 seconds.",
    "fleet.removed": "{name} is removed; its process stops it within 5 seconds.",
    # accounts
    "accounts": "list, show, rename, remove and import saved accounts",
    "accounts.list": "list the saved accounts",
    "accounts.show": "show an account, without its secrets",
    "accounts.remove": "forget an account; its bot goes on to exist",
    "accounts.rename": "give an account another name",
    "accounts.import": "take over the accounts of the official OpenClaw plugin, without a new QR code",
    "accounts.name": "the account",
    "accounts.new": "its new name",
    "accounts.folder": "the plugin's state folder (default: $OPENCLAW_STATE_DIR, or ~/.openclaw)",
    "accounts.replace": "replace accounts of the same name",
    "accounts.examples": "wxsdk accounts list --json\nwxsdk accounts rename default support\nwxsdk accounts import",
    "accounts.none": "No account is saved. wxsdk login makes one.",
    "accounts.removed": "The account {name!r} is forgotten.",
    "accounts.renamed": "The account {old!r} is called {new!r} now.",
    "accounts.imported": "Imported: {names}. Stop the plugin before you run a bot here.",
    # listen
    "listen": "print what users send, and answer nothing",
    "listen.count": "end after so many messages",
    "listen.save": "save the files that come in this folder",
    "listen.examples": "wxsdk listen\nwxsdk listen --json | jq -r .text\nwxsdk listen --count 1 --save inbox/",
    "listen.started": "Listening. Ctrl-C ends it.",
    # send
    "send": "send a message, also beside a running bot",
    "send.to": "the user id, or a WeCom chat id",
    "send.text": "the text; - reads it from standard input",
    "send.file": "a file to send; a text goes before it",
    "send.markdown": "the text is Markdown: personal WeChat gets it as plain text (WeCom shows every push as Markdown)",
    "send.store": "the SQLite file of the bot, which knows whom it may write to",
    "send.outbox": "hand it to the running bot's outbox, also where it could be sent directly",
    "send.examples": (
        "wxsdk send USER 'The build is done.' --store bot.db\n"
        "df -h | wxsdk send USER - --store bot.db\n"
        "wxsdk send CHAT '**Alarm!**' --aibot --file report.pdf"
    ),
    "send.beside": (
        "A running bot keeps its connection. With its store, the message goes through its outbox (outbox=True in its\n"
        "settings); personal WeChat without one is sent directly, which disturbs nothing."
    ),
    "send.nothing": "There is nothing to send.",
    "send.nothing.remedy": "Give a text, - for standard input, or --file.",
    "send.done": "sent",
    "send.unconfirmed": "accepted, but not confirmed by the platform",
    "send.queued": "handed to the bot that runs (process {pid}); it sends it",
    "send.needs_store": "A bot runs in process {pid}, and a message can only go through it.",
    "send.needs_store.remedy": "Give its store (--store bot.db), and outbox=True in its settings.",
    "send.progress": "sending",
    # echo
    "echo": "run a bot that says what it hears",
    "echo.examples": "wxsdk echo\nwxsdk echo --aibot --account helpdesk",
    "echo.started": "The bot listens. Ctrl-C ends it.",
    # doctor
    "doctor": "check the machine, the network and the account, and say what to do",
    "doctor.connect": "subscribe as the WeCom bot, which takes it over from a program that runs it",
    "doctor.examples": "wxsdk doctor\nwxsdk doctor --account support --store bot.db\nwxsdk doctor --json",
    "doctor.good": "Nothing is wrong.",
    "doctor.bad": "{count} problem(s) found.",
    "doctor.no_account": "not checked: there is no account to check it for",
    "doctor.answers": "{host} answers",
    "doctor.unreachable": "{host} cannot be reached ({kind}): {what}",
    "doctor.unreachable.remedy": "Check the connection, the firewall and the proxy.",
    "doctor.not_reached": "not checked: the server cannot be reached",
    "doctor.tls.none": "{host} is asked without TLS",
    "doctor.tls.good": "the certificate of {host} is good",
    "doctor.cdn.none": "not needed: WeCom names an address with each file",
    "doctor.token.good": "the platform accepts the token",
    "doctor.secret.good": "the bot id and the secret are accepted",
    "doctor.not_tried": "not tried: subscribing takes the bot over from a program that runs it; --connect does it",
    "doctor.clock.none": "not checked: the server named no time",
    "doctor.clock.good": "this machine's clock and the server's differ by {seconds} s",
    "doctor.clock.off": "this machine's clock is off by {seconds} s.",
    "doctor.clock.remedy": "Let it be set from the network (NTP).",
    "doctor.version.none": "not needed: WeCom asks for no version",
    "doctor.version.good": (
        "speaks as the official client {spoken}. If the phone asks to upgrade the interface when you scan the code:"
        " update wxsdk; accounts outside China and WeChat before 8.0.70 see the same text"
    ),
    "doctor.version.other": "speaks as version {spoken}, and wxsdk knows {known}.",
    "doctor.version.remedy": "Leave channel_version out, or update wxsdk.",
    "doctor.proxy.none": "the environment names no proxy",
    "doctor.proxy.used": "the environment names {proxies}",
    "doctor.proxy.odd": "the environment names a proxy that is not plain HTTP ({proxies}).",
    "doctor.proxy.remedy": 'Name an http:// proxy, or give proxy="" in the settings to go past it.',
    "doctor.lock.free": "no process of this machine runs this bot",
    "doctor.lock.held": "process {pid} runs this bot since {since}",
    "doctor.store.none": "not checked: name it with --store",
    "doctor.store.new": "{path} does not exist yet; the bot will make it",
    "doctor.store.open": "Others can read it, and it holds tokens.",
    "doctor.store.open.remedy": "Run: chmod 600 {path}",
    "doctor.store.disk": "Only {free} are free on its disk.",
    "doctor.store.disk.remedy": "Make room: a message that cannot be stored waits.",
    "doctor.store.broken": "It cannot be opened: {what}",
    "doctor.store.broken.remedy": "Stop the bot, move the file away, and restore a backup or start with a new one.",
    "doctor.store.damaged": "It is damaged: {what}",
    "doctor.store.good": (
        "{size}, {free} free; {inbox} message(s) wait to be handled, {outbox} message(s) of the outbox wait to be sent"
    ),
    # the states of health
    "health.stopped": "the client is not started",
    "health.starting": "the client has started and has not heard from the platform yet",
    "health.running": "the client works",
    "health.retrying": "the last exchange failed, and the client tries again",
    "health.token_stale": "the platform no longer accepts the token; receiving waits for a new one",
    "health.kicked": "another program connected with the same bot and took it over",
    "health.failed": "the client gave up; it will not try again by itself",
    "health.error": "last error: {error}",
    "health.busy": "all {workers} workers are busy and {queued} message(s) wait: raise max_workers",
    "health.busy_events": "all {workers} workers for chat entries and card clicks are busy and {queued} of these wait: "
    "raise priority_workers",
    # sim
    "sim": "run the simulators with a page to chat with your bot",
    "sim.port": "the page's port (default: a free one)",
    "sim.state": "a folder that keeps ports, tokens and history over restarts",
    "sim.program": "run this with the environment that points a bot at the simulators, and end with it",
    "sim.no_program": "There is no program {name!r}.",
    "sim.no_program.remedy": "Give one that can be run, behind --: wxsdk sim -- python bot.py",
    "sim.examples": "wxsdk sim\nwxsdk sim -- python bot.py\nwxsdk sim --port 8080 --state .sim",
    "sim.page": "Talk with your bot at {url}",
    "sim.environment": "For a bot in another terminal:",
    "sim.started": "Ctrl-C ends the simulators.",
    "sim.missing": "The simulators need {module}, which is missing.",
    "sim.missing.remedy": "Run: pip install 'wxsdk[sim]'",
    "port.range": "{port} is not a port, which goes from 1 to 65535 (0 for a free one)",
    "port.refused": "This user may not take port {port}.",
    "port.used": "Port {port} is in use{owner}.",
    "port.used.by": " by {name} (process {pid})",
    "port.used.remedy": "End that program, or choose another port: --port 0 takes a free one.",
    # demo
    "demo": "watch a bot talk with users on the built-in simulators",
    "demo.only": "show one part: a protocol, or the Bot",
    "demo.examples": "wxsdk demo\nwxsdk demo --only aibot",
    # completion
    "completion": "print the completion for a shell",
    "completion.shell": "the shell",
    "completion.examples": (
        'eval "$(wxsdk completion bash)"                                  in ~/.bashrc\n'
        'eval "$(wxsdk completion zsh)"                                   in ~/.zshrc\n'
        "wxsdk completion fish > ~/.config/fish/completions/wxsdk.fish"
    ),
    # trouble
    "trouble.unknown": "It is not known whether the message went out.",
    "trouble.account_and_file": "Both an account and a file of one are named.",
    "trouble.account_and_file.remedy": "Give --account or --credentials.",
    "trouble.eof": "The input ended before everything was answered. Give it as options or in the environment.",
    "trouble.stdin": "Standard input is not text ({encoding}).",
    "trouble.stdin.remedy": "Send it as a file: --file.",
    "trouble.unexpected": "An unexpected error: {error}. This is a fault of wxsdk; -v shows where.",
}

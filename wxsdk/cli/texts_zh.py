"""Holds the command line's texts in Chinese. Each key is in every catalogue."""

from __future__ import annotations

from typing import Dict

CHINESE: Dict[str, str] = {
    # the frame of every help page
    "usage": "用法：",
    "options": "选项",
    "arguments": "参数",
    "commands": "命令",
    "examples": "示例：",
    "help.help": "显示本帮助",
    "help.version": "显示版本",
    "help.verbose": "记录全部日志（不会显示密钥）",
    "help.json": "输出 JSON，供脚本使用",
    "about": "不用 asyncio 的微信机器人：个人微信与企业微信。",
    "start.here": (
        "从这里开始：wxsdk demo 在模拟器上演示全部功能，wxsdk sim 让你在浏览器里和自己的机器人聊天，\n"
        "wxsdk login 登录真实的机器人。wxsdk 命令 --help 查看该命令的说明。"
    ),
    "exit.codes": (
        "退出码：\n"
        "  0    完成\n"
        "  1    平台、网络或检查未通过\n"
        "  2    用法或设置有误；没有发送任何内容\n"
        "  3    另一个进程正在运行这个机器人\n"
        "  4    不知道消息是否已发出；请勿直接重发\n"
        "  130  Ctrl-C\n"
        "  141  管道的读取方已退出"
    ),
    # options that several commands have
    "opt.account": "使用的已保存账号（wxsdk accounts list）",
    "opt.credentials": "账号文件，代替已保存的账号",
    "opt.aibot": "企业微信智能机器人（默认：个人微信，或按账号类型）",
    "opt.base_url": "另一个 iLink 服务器，例如模拟器的",
    "opt.cdn_base_url": "另一个 iLink 媒体服务器",
    "opt.ws_url": "另一个企业微信网关，例如模拟器的",
    "opt.store": "机器人的 SQLite 文件",
    # run
    "run": "运行程序里的 Bot，也可以在模拟器上运行",
    "run.program": "bot.py、bot.py:名称、模块 或 模块:名称",
    "run.sim": "在模拟器上运行，并提供聊天页面",
    "run.reload": "源文件改动后重新启动",
    "run.account": "同时服务这个已保存的账号（可重复）",
    "run.store": "保存消息、会话和状态的 SQLite 文件",
    "run.examples": "wxsdk run bot.py --sim --reload\nwxsdk run mybot:bot --account support --store bot.db",
    "run.running": "正在运行 {names}。按 Ctrl-C 停止。",
    "run.stopped": "已停止。",
    "run.simulated": "机器人在模拟器上运行，不使用任何账号。按 Ctrl-C 停止。",
    "run.ended_at_once": "已立即结束。",
    "run.no_bot": "程序没有添加机器人。",
    "run.no_bot.remedy": "请在程序中调用 bot.add(…)，或指定账号（--account 名称），或使用 --sim。",
    "run.no_file": "没有文件 {file}。",
    "run.no_file.remedy": "请给出含有 Bot 的程序：wxsdk run bot.py",
    "run.watching": "正在监视 {folder} 的改动。",
    "run.changed": "{file} 有改动，重新启动。",
    "run.ended": "程序已结束（退出码 {status}），等待改动。",
    # login
    "login": "登录机器人并保存账号",
    "login.name": "保存的名称（默认：default）",
    "login.headless": "不画二维码，只输出它的地址",
    "login.aibot": "保存企业微信智能机器人的 bot id 和 secret",
    "login.bot_id": "企业微信机器人的 id；secret 会询问，或取自 WXSDK_SECRET",
    "login.examples": (
        "wxsdk login                        个人微信，扫码登录\n"
        "wxsdk login --account support      以指定名称保存\n"
        "wxsdk login --aibot --bot-id aib…  企业微信智能机器人"
    ),
    "login.scan": "请用微信扫描：",
    "login.address": "请把这个地址显示为二维码，再用微信扫描：",
    "login.number": "手机上显示的数字：",
    "login.wrong": "数字不对。手机上显示的数字：",
    "login.bound": "这个微信账号已经绑定机器人；你手上的 token 仍然有效。",
    "login.done": "已登录为 {bot}。账号 {name!r} 保存在 {path}。",
    "login.kept": "账号 {name!r} 保存在 {path}。",
    "login.ask_bot_id": "bot id：",
    "login.ask_secret": "secret：",
    "login.state.wait": "等待扫码",
    "login.state.scaned": "已扫码；请在手机上确认",
    "login.state.scaned_but_redirect": "已扫码；平台把登录转到另一台服务器",
    "login.state.need_verifycode": "手机上显示了一个数字",
    "login.state.verify_code_blocked": "输错次数过多；换一个二维码",
    "login.state.expired": "二维码已过期；换一个二维码",
    "login.state.binded_redirect": "已经绑定",
    "login.state.confirmed": "已确认",
    # fleet
    "fleet": "在共用同一存储的多个进程和机器上运行多个机器人",
    "fleet.run": "用程序里的 Bot 加入集群",
    "fleet.status": "显示每个机器人由谁运行",
    "fleet.add": "把已保存的账号加入集群，或更新它的设置",
    "fleet.remove": "从集群中移除机器人",
    "fleet.capacity": "本进程最多运行多少个机器人（1000）",
    "fleet.name": "机器人在集群中的名称",
    "fleet.account": "已保存的账号（默认：同名账号）",
    "fleet.store": "redis://…、postgresql://… 或 SQLite 文件（默认：$WXSDK_STORE，可避免暴露密码）",
    "fleet.prefix": "存储中各名称的前缀（wxsdk）",
    "fleet.allow_plain": "未设置 $WXSDK_STORE_KEY 时，允许在服务器上不加密保存",
    "fleet.examples": "wxsdk fleet run bot.py --store redis://10.0.0.5/0\nwxsdk fleet add shop-17\nwxsdk fleet status",
    "fleet.no_store": "没有指定存储：请使用 --store，或设置 WXSDK_STORE。",
    "fleet.runs": "本进程已加入集群。按 Ctrl-C 停止。",
    "fleet.added": "{name} 已加入集群，5 秒内会有进程接管。",
    "fleet.removed": "{name} 已移除，5 秒内会停止运行。",
    # accounts
    "accounts": "列出、查看、改名、删除和导入已保存的账号",
    "accounts.list": "列出已保存的账号",
    "accounts.show": "查看账号，不显示密钥",
    "accounts.remove": "忘记账号；机器人本身仍然存在",
    "accounts.rename": "给账号改名",
    "accounts.import": "接管官方 OpenClaw 插件的账号，无需重新扫码",
    "accounts.name": "账号",
    "accounts.new": "新名称",
    "accounts.folder": "插件的状态目录（默认：$OPENCLAW_STATE_DIR 或 ~/.openclaw）",
    "accounts.replace": "替换同名账号",
    "accounts.examples": "wxsdk accounts list --json\nwxsdk accounts rename default support\nwxsdk accounts import",
    "accounts.none": "没有已保存的账号。用 wxsdk login 登录一个。",
    "accounts.removed": "已忘记账号 {name!r}。",
    "accounts.renamed": "账号 {old!r} 现在叫 {new!r}。",
    "accounts.imported": "已导入：{names}。在这里运行机器人之前，请先停掉插件。",
    # listen
    "listen": "显示用户发来的消息，不作回答",
    "listen.count": "收到这么多条消息后结束",
    "listen.save": "把收到的文件存到这个目录",
    "listen.examples": "wxsdk listen\nwxsdk listen --json | jq -r .text\nwxsdk listen --count 1 --save inbox/",
    "listen.started": "正在接收。按 Ctrl-C 结束。",
    # send
    "send": "发送消息，机器人正在运行时也可以",
    "send.to": "用户 id，或企业微信的会话 id",
    "send.text": "文本；- 表示从标准输入读取",
    "send.file": "要发送的文件；文本会先于文件发出",
    "send.markdown": "文本是 Markdown，个人微信收到的是纯文本（企业微信的推送都按 Markdown 显示）",
    "send.store": "机器人的 SQLite 文件，它知道可以给谁发消息",
    "send.outbox": "即使可以直接发送，也交给正在运行的机器人的发件箱",
    "send.examples": (
        "wxsdk send USER 'The build is done.' --store bot.db\n"
        "df -h | wxsdk send USER - --store bot.db\n"
        "wxsdk send CHAT '**Alarm!**' --aibot --file report.pdf"
    ),
    "send.beside": (
        "正在运行的机器人保持自己的连接。给出它的存储文件，消息就经由它的发件箱发出（其设置中 outbox=True）；\n"
        "个人微信没有存储文件时直接发送，不影响机器人。"
    ),
    "send.nothing": "没有要发送的内容。",
    "send.nothing.remedy": "请给出文本、- （标准输入）或 --file。",
    "send.done": "已发送",
    "send.unconfirmed": "平台已接受，但没有确认",
    "send.queued": "已交给正在运行的机器人（进程 {pid}），由它发送",
    "send.needs_store": "机器人正在进程 {pid} 中运行，消息只能经由它发送。",
    "send.needs_store.remedy": "请给出它的存储文件（--store bot.db），并在其设置中写 outbox=True。",
    "send.progress": "发送中",
    # echo
    "echo": "运行一个重复你的话的机器人",
    "echo.examples": "wxsdk echo\nwxsdk echo --aibot --account helpdesk",
    "echo.started": "机器人正在接收。按 Ctrl-C 结束。",
    # doctor
    "doctor": "检查本机、网络和账号，并说明该怎么办",
    "doctor.connect": "以企业微信机器人的身份订阅，这会从正在运行它的程序手中接管",
    "doctor.examples": "wxsdk doctor\nwxsdk doctor --account support --store bot.db\nwxsdk doctor --json",
    "doctor.good": "一切正常。",
    "doctor.bad": "发现 {count} 个问题。",
    "doctor.no_account": "未检查：没有账号",
    "doctor.answers": "{host} 有响应",
    "doctor.unreachable": "无法连接 {host}（{kind}）：{what}",
    "doctor.unreachable.remedy": "请检查网络、防火墙和代理。",
    "doctor.not_reached": "未检查：无法连接服务器",
    "doctor.tls.none": "访问 {host} 不使用 TLS",
    "doctor.tls.good": "{host} 的证书有效",
    "doctor.cdn.none": "不需要：企业微信随每个文件给出地址",
    "doctor.token.good": "平台接受这个 token",
    "doctor.secret.good": "bot id 和 secret 被接受",
    "doctor.not_tried": "未尝试：订阅会从正在运行的程序手中接管机器人；--connect 会这样做",
    "doctor.clock.none": "未检查：服务器没有给出时间",
    "doctor.clock.good": "本机与服务器的时钟相差 {seconds} 秒",
    "doctor.clock.off": "本机时钟偏差 {seconds} 秒。",
    "doctor.clock.remedy": "请从网络校时（NTP）。",
    "doctor.version.none": "不需要：企业微信不要求版本",
    "doctor.version.good": (
        "以官方客户端 {spoken} 的版本通信。如果扫码时手机要求升级接口：请更新 wxsdk；"
        "中国以外的账号和 8.0.70 之前的微信也会看到同样的提示"
    ),
    "doctor.version.other": "以 {spoken} 的版本通信，而 wxsdk 支持的是 {known}。",
    "doctor.version.remedy": "请不要设置 channel_version，或更新 wxsdk。",
    "doctor.proxy.none": "环境变量中没有代理",
    "doctor.proxy.used": "环境变量中的代理：{proxies}",
    "doctor.proxy.odd": "环境变量中的代理不是普通 HTTP 代理（{proxies}）。",
    "doctor.proxy.remedy": '请使用 http:// 代理，或在设置中写 proxy="" 绕过它。',
    "doctor.lock.free": "本机没有进程运行这个机器人",
    "doctor.lock.held": "进程 {pid} 自 {since} 起运行这个机器人",
    "doctor.store.none": "未检查：请用 --store 指定",
    "doctor.store.new": "{path} 还不存在；机器人会创建它",
    "doctor.store.open": "其他用户可以读取它，而它含有 token。",
    "doctor.store.open.remedy": "请运行：chmod 600 {path}",
    "doctor.store.disk": "所在磁盘只剩 {free}。",
    "doctor.store.disk.remedy": "请腾出空间：无法保存的消息会等待。",
    "doctor.store.broken": "无法打开：{what}",
    "doctor.store.broken.remedy": "请停止机器人，移走这个文件，再恢复备份或使用新文件。",
    "doctor.store.damaged": "文件已损坏：{what}",
    "doctor.store.good": "{size}，剩余 {free}；{inbox} 条消息等待处理，发件箱中有 {outbox} 条消息等待发送",
    # the states of health
    "health.stopped": "客户端没有启动",
    "health.starting": "客户端已启动，还没有收到平台的响应",
    "health.running": "客户端工作正常",
    "health.retrying": "上一次通信失败，客户端正在重试",
    "health.token_stale": "平台不再接受这个 token；接收已暂停，等待新的 token",
    "health.kicked": "另一个程序用同一个机器人连接并接管了它",
    "health.failed": "客户端已放弃，不会自行重试",
    "health.error": "最近的错误：{error}",
    "health.busy": "全部 {workers} 个工作线程都在忙，{queued} 条消息在等待：请调大 max_workers",
    "health.busy_events": "进入会话和卡片点击的 {workers} 个线程都在忙，{queued} 个事件在等待：请调大 priority_workers",
    # sim
    "sim": "运行模拟器和聊天页面，用来试你的机器人",
    "sim.port": "页面的端口（默认：任选一个空闲端口）",
    "sim.state": "保存端口、token 和聊天记录的目录，重启后仍在",
    "sim.program": "用指向模拟器的环境变量运行这个程序，并随它结束",
    "sim.no_program": "没有程序 {name!r}。",
    "sim.no_program.remedy": "请在 -- 之后给出可以运行的程序：wxsdk sim -- python bot.py",
    "sim.examples": "wxsdk sim\nwxsdk sim -- python bot.py\nwxsdk sim --port 8080 --state .sim",
    "sim.page": "在这里和你的机器人聊天：{url}",
    "sim.environment": "给另一个终端里的机器人：",
    "sim.started": "按 Ctrl-C 结束模拟器。",
    "sim.missing": "模拟器需要 {module}，但没有安装。",
    "sim.missing.remedy": "请运行：pip install 'wxsdk[sim]'",
    "port.range": "{port} 不是端口；端口是 1 到 65535（0 表示任选一个空闲端口）",
    "port.refused": "当前用户无权使用端口 {port}。",
    "port.used": "端口 {port} 已被占用{owner}。",
    "port.used.by": "，占用者是 {name}（进程 {pid}）",
    "port.used.remedy": "请结束那个程序，或换一个端口：--port 0 任选一个空闲端口。",
    # demo
    "demo": "在内置模拟器上观看机器人与用户对话",
    "demo.only": "只演示其中一部分：一种协议，或 Bot",
    "demo.examples": "wxsdk demo\nwxsdk demo --only aibot",
    # completion
    "completion": "输出 shell 的补全脚本",
    "completion.shell": "shell",
    "completion.examples": (
        'eval "$(wxsdk completion bash)"                                  写入 ~/.bashrc\n'
        'eval "$(wxsdk completion zsh)"                                   写入 ~/.zshrc\n'
        "wxsdk completion fish > ~/.config/fish/completions/wxsdk.fish"
    ),
    # trouble
    "trouble.unknown": "不知道消息是否已发出。",
    "trouble.account_and_file": "同时给出了账号和账号文件。",
    "trouble.account_and_file.remedy": "请只用 --account 或 --credentials 之一。",
    "trouble.eof": "输入在回答完之前就结束了。请用选项或环境变量给出。",
    "trouble.stdin": "标准输入不是文本（{encoding}）。",
    "trouble.stdin.remedy": "请作为文件发送：--file。",
    "trouble.unexpected": "意外错误：{error}。这是 wxsdk 的缺陷；用 -v 查看位置。",
}

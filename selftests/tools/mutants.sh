#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Break a copy of the code in many ways, one at a time: a test must notice each.
# Usage: mutants.sh DIRECTORY [PATTERN]: only mutants whose line matches
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
mkdir -p "$1" && work=$(cd "$1" && pwd) || exit 2
pattern=${2:-.}
number=0
bad=0
export BAIL_OUT=1

# FILE|expected failing program|sed command
mutants() {
	cat <<'E'
lib/wire.c|hostile|s/hdr.size > KVMI_MAX_MSG_SIZE/hdr.size > 65534/
lib/wire.c|hostile|s/!slot || slot->state == SLOT_DONE/!slot/
lib/wire.c|hostile|s/if (hdr->size < sizeof(ec))/if (0)/
lib/wire.c|hostile|s/ec.err > 0 || ec.err <= -KVMIC_ERR_BASE/0/
lib/wire.c|hostile|s/hdr->size < sizeof(struct kvmi_event_hdr)/0/
lib/wire.c|hostile|s/slot->id == id/(slot->id == id || 1)/
lib/wire.c|hostile|s/slot->seq == seq/(slot->seq == seq || 1)/
lib/wire.c|hostile|s/MSG_DONTWAIT | MSG_NOSIGNAL/MSG_DONTWAIT/
lib/wire.c|hostile|s/conn->num_events >= conn->max_events/0/
lib/wire.c|wire|s/conn->num_events >= conn->max_events/0/
lib/wire.c|wire|s/conn->events_tail = &ev->next;/conn->events_tail = \&conn->events;/
lib/wire.c|wire|s/if (slot->state == SLOT_FORGOTTEN)/if (0)/
lib/wire.c|wire|s/bool drain = true/bool drain = false/
lib/wire.c|wire|s/conn->no_callback = true;/;/
lib/wire.c|hostile|s/conn->broken = code;/;/
lib/wire.c|wire|s/conn->rx_off += sizeof(hdr) + hdr.size/conn->rx_off += sizeof(hdr)/
lib/message.c|wire|s/deadline >= 0 && kvmic__now() >= deadline) {/0) {/
lib/message.c|wire|s/size > slot->size/0/
lib/message.c|hostile|s/slot->state == SLOT_DONE ? SLOT_FREE : SLOT_FORGOTTEN/SLOT_FREE/
lib/message.c|wire|s/if (ev->id == KVMI_VCPU_EVENT && ev->size/if (0 \&\& ev->size/
lib/message.c|wire|s/id == KVMI_VM_EVENT ||/0 ||/
lib/message.c|wire|s/\*got = slot->size;/*got = size;/
lib/command.c|wire|s/KVMIC_PAGE - (addr & (KVMIC_PAGE - 1))/KVMIC_PAGE/
lib/command.c|wire|s/addr + (len - 1) < addr/0/
lib/command.c|wire|s/.enable = !!enable/.enable = enable/
lib/command.c|hostile|s/if (!r \&\& got != rq->len)/if (0)/
lib/command.c|hostile|s/if (!r && got < sizeof(\*reply))/if (0)/
lib/command.c|wire|s/memset(rd.buf + rq.off, 0, rq.len);//
lib/command.c|wire|s/forget_reads(&rd);//
lib/command.c|wire|s/written += n;/written = len;/
lib/message.c|vcpu|s/case KVMI_ENOSYS:/case 999:/
lib/vcpu.c|vcpu|s/r || got || n >= room/r || got || 1/
lib/vcpu.c|vcpu|s/nmsrs > KVMI_MAX_MSRS/0/
lib/vcpu.c|vcpu|s/entry.index != msrs\[i\]/0/
lib/vcpu.c|vcpu|s/reply->nmsrs == nmsrs/1/
lib/vcpu.c|vcpu|s/gpa == KVMIC_NOT_MAPPED/0/
lib/vcpu.c|vcpu|s/.wait = !!wait/.wait = 0/
lib/vcpu.c|vcpu|s/hdr = { .vcpu = vcpu }/hdr = { .vcpu = 0 }/
lib/vcpu.c|vcpu|s/kvmic__piece(gva + read, len - read)/len - read/
lib/vcpu.c|vcpu|s/memset(reply, 0, room);//
lib/event.c|event|s/head.size < FIXED ||//
lib/event.c|event|s/|| head.size > left/|| 0/
lib/event.c|event|s/common + head.size/common + sizeof(head)/
lib/event.c|event|s/smaller(head.size - FIXED, sizeof(out->arch))/head.size - FIXED/
lib/event.c|event|s/smaller(out->data_size, sizeof(out->data))/out->data_size/
lib/event.c|event|s/action > KVMI_EVENT_ACTION_CRASH ||//
lib/event.c|event|s/(actions >> action & 1)/1/
lib/event.c|event|s/|| ev->error)/|| 0)/
lib/event.c|event|s/if (size > max)/if (0)/
lib/event.c|event|s/hdr = { .vcpu = event->vcpu }/hdr = { .vcpu = 0 }/
lib/conn.c|wire|s/type != SOCK_STREAM/0/
lib/conn.c|wire|s/free(conn->slots\[i\].data)/(void)0/;s/free(ev);//
lib/table.c|files|s/memchr(text, '\\0', len)/0/
lib/table.c|files|s/if (\*rest != '#')/if (0)/
lib/table.c|files|s/col >= t->columns/0/
lib/table.c|files|s/n < max && //
lib/table.c|kvmictl|s/!kvmic__exists(root, "\/sys\/kernel\/debug\/kvm")/0/
lib/table.c|kvmictl|s/e == EACCES || e == EPERM/0/;s/!kvmic_module_loaded(root, NULL, 0)/0/
lib/cmdline.c|files|s/n + 1 < size/1/
lib/cmdline.c|files|s/!len || args\[len - 1\]/!len/
lib/cmdline.c|files|s/n > UINT64_MAX \/ unit ? 0/0 ? 0/;s/if (\*s < '0' || \*s > '9')/if (0)/
lib/cmdline.c|files|s/next < end ? next : ""/next/
lib/cmdline.c|files|s/kind == VMM_QEMU ? 1u << 20 : 1/1/
lib/cmdline.c|files|s/text\[-1\] != '-'/1/
lib/cmdline.c|files|s/if (kind == VMM_OTHER)/if (0)/
lib/names.c|files|s/NAME(KVMI_VCPU_EVENT_PF),//
lib/list.c|kvmictl|s/!strcmp(link, KVMIC_VM_LINK)/!strncmp(link, KVMIC_VM_LINK, 17)/
lib/list.c|kvmictl|s/if (known(root, list, pid, scan.vm_fds\[i\]))/if (0)/
lib/list.c|kvmictl|s/scan->vcpu_seen\[id \/ 8\] |= .*;//
lib/list.c|files|s/p = strrchr(text, ')')/p = strchr(text, ')')/
lib/list.c|kvmictl|s/rows >= count/1/
lib/list.c|kvmictl|s/list->unreadable++/(void)0/
lib/list.c|kvmictl|s/qsort(scan->vm_fds.*;/(void)compare_int;/
lib/attach.c|attach|s/bad_mask(at->commands, KVMI_NUM_COMMANDS) ||//
lib/attach.c|attach|s/index < 0 && list.count > 1/0/
lib/attach.c|attach|s/at->start_time && vm->start_time != at->start_time/0/
lib/attach.c|attach|s/mask == KVMIC_ALLOW_ALL)$/1)/
lib/attach.c|attach|s/ft.id = id;/ft.id = 0;/
lib/attach.c|attach|s/if (!loaded || e == ENOTTY)/if (e == ENOTTY)/
lib/attach.c|kvmictl|s/close(vm_fd);//
lib/attach.c|kvmictl|s/^	close(sv\[1\]);//
lib/attach.c|kvmictl|s/!at.has_uuid && vm.has_uuid/0/
lib/attach.c|kvmictl|s/case EEXIST:/case EXDEV:/
lib/attach.c|kvmictl|s/case EOPNOTSUPP:/case EXDEV:/
lib/attach.c|kvmictl|s/case EIO:/case EXDEV:/
lib/attach.c|kvmictl|s/while (before > 0)/while (0)/
lib/attach.c|kvmictl|s/if (kvmic__now() >= deadline) {/if (0) {/
tools/json.c|files|s/c == '"' || c == '\\\\'/c == '"'/
tools/json.c|files|s/c >= 0x20 && c < 0x7f/c < 0x7f/
tools/json.c|files|s/c < lowest\[more\] ||//
tools/json.c|files|s/(c >= 0xd800 && c < 0xe000)/0/
tools/json.c|files|s/j->any\[j->depth - 1\] = true/(void)0/
tools/out.c|files|s/c >= 0xa0 \&\&/1 \&\&/
tools/out.c|files|s/!(c >= 0x2028 && c <= 0x202e) &&//
tools/out.c|files|s/(c < 0x80 || utf8)/1/
tools/out.c|kvmictl|s/put_line(stderr, "kvmictl: ", text);/fprintf(stderr, "kvmictl: %s\\n", text);/
tools/out.c|kvmictl|s/!fflush(stdout) && !ferror(stdout)/1/
tools/out.c|kvmictl|s/return EXIT_DENIED;/return EXIT_FAILED;/
tools/options.c|files|s/n > UINT64_MAX >> shift/0/
tools/options.c|files|s/if (errno)$/if (0)/
tools/options.c|kvmictl|s/if (!opt->pid == !opt->name)/if (0)/
tools/options.c|kvmictl|s/if (count == 1)/if (count)/
tools/options.c|kvmictl|s/at.commands = commands;//
tools/options.c|kvmictl|s/list->vm\[i\].index != opt->vm/0/
tools/cmd_read.c|kvmictl|s/h->start + h->len == gpa/0/
tools/cmd_read.c|kvmictl|s/holes.any ? EXIT_FAILED : EXIT_DONE/EXIT_DONE/
tools/cmd_read.c|kvmictl|s/n == ROW && hv->have_last/0/
tools/cmd_read.c|kvmictl|s/|| !\*len)/)/
tools/cmd_version.c|kvmictl|s/!r || r == -KVMI_EPERM/!r/
tools/cmd_status.c|kvmictl|s/json_null(j, kvmic_table_column(t, col))/(void)0/
tools/cmd_list.c|kvmictl|s/vm->hooked == KVMIC_HOOKED_UNKNOWN/0/
tools/cmd_check.c|kvmictl|s/if (result == LEVEL_FAIL)/if (0)/
tools/cmd_check.c|kvmictl|s/result == LEVEL_WARN && opt.strict/0/
tools/check_kernel.c|kvmictl|s/p\[-1\] == ' ' &&//
tools/check_kernel.c|kvmictl|s/strchr(fs->release, '\/') ||//
tools/check_kernel.c|kvmictl|s/text\[0\] != '1'/0/
tools/check_kernel.c|kvmictl|s/version < OLDEST_KERNEL/0/
tools/check_module.c|kvmictl|s/is_signed(path) == 0/0/
tools/check_module.c|kvmictl|s/\[confidentiality\]/[x]/
tools/check_module.c|kvmictl|s/!known_to_modprobe(fs)/0/
tools/check_module.c|kvmictl|s/strstr(line, word) \&\& //
tools/check_module.c|kvmictl|s/(!found || strstr(line, "installed"))/!found/
tools/check_module.c|kvmictl|s/forbidden = text && text\[0\] == '3'/forbidden = false/
tools/check_module.c|kvmictl|s/value\[4\] == 1/0/
tools/cmd_regs.c|kvmictl_vcpu|s/if (err == -KVMI_EAGAIN)/if (0)/
tools/cmd_regs.c|kvmictl_vcpu|s/if (s->one)/if (0)/
tools/cmd_regs.c|kvmictl_vcpu|s/s->status = EXIT_FAILED;/;/
tools/cmd_regs.c|kvmictl_vcpu|s/first = opt->vcpu;/first = 0;/
tools/regs.c|kvmictl_vcpu|s/r->mode == 8 ?/r->mode == 7 ?/
tools/regs.c|kvmictl_vcpu|s/if (msrs->unreadable\[i\])/if (0)/
tools/msrs.c|kvmictl_vcpu|s/err == -KVMI_EINVAL && msrs->count/0/
tools/msrs.c|kvmictl_vcpu|s/n > UINT32_MAX/0/
tools/msrs.c|kvmictl_vcpu|s/msrs->count == KVMI_MAX_MSRS/0/
tools/vcpu.c|kvmictl_vcpu|s/if (vcpu < count)/if (1)/
tools/cmd_translate.c|kvmictl_vcpu|s/if (gpa == KVMIC_NOT_MAPPED)/if (0)/
tools/cmd_translate.c|kvmictl_vcpu|s/argc - optind != 1/argc - optind < 1/
tools/options.c|kvmictl_vcpu|s/parse_int(text, 0, &opt->vcpu)/parse_int(text, 0, \&opt->vcpu) \&\& 0/
tools/hold.c|kvmictl_vcpu|s/r = find_not_started(h);/;/
tools/hold.c|kvmictl_vcpu|s/if (pfd\[1\].revents)/if (0)/
tools/hold.c|kvmictl_vcpu|s/h->vcpu\[i\].state == VCPU_PAUSED \&\&/0 \&\&/
tools/hold.c|kvmictl_vcpu|s/v->state = VCPU_PAUSED;/;/
tools/hold.c|kvmictl_vcpu|s/h->count + KVMIC_EVENT_LIMIT/KVMIC_EVENT_LIMIT/
tools/hold.c|kvmictl_vcpu|s/count_state(h, VCPU_PENDING) && left > 0 ?/1 ?/
tools/record.c|kvmictl_vcpu|s/process_start(rec->holder) == rec->holder_start/1/
tools/record.c|kvmictl_vcpu|s/rec->vmm_start == vm->start_time/1/
tools/record.c|kvmictl_vcpu|s/st.st_uid != geteuid() || st.st_mode & 077/0/
tools/record.c|kvmictl_vcpu|s/rec.holder == getpid()/0/
tools/cmd_resume.c|kvmictl_vcpu|s/send_signal(pidfd, SIGCONT);//
tools/cmd_resume.c|kvmictl_vcpu|s/if (ended_within(pidfd, LEAVE_MS))/if (1)/
tools/cmd_pause.c|kvmictl_vcpu|s/setsid() < 0/0/
tools/cmd_pause.c|kvmictl_vcpu|s/syscall(SYS_close_range.*;/;/
tools/cmd_pause.c|kvmictl_vcpu|s/|| chdir("\/")//
tools/cmd_pause.c|kvmictl_vcpu|s/if (find_record(dir, vm, &rec))/if (0)/
tools/cmd_pause.c|kvmictl_vcpu|s/r = finish_output(EXIT_DONE);/;/
tools/cmd_pause.c|kvmictl_vcpu|s/dup2(null, 2);//
tools/cmd_pause.c|kvmictl_vcpu|s/if (WIFEXITED(wstatus) && WEXITSTATUS(wstatus))/if (0)/
tools/cmd_pause.c|kvmictl_vcpu|s/if (r == HOLD_LEAVE)/if (0)/
tools/options.c|kvmictl_vcpu|s/holder = err.code == -KVMIC_ERR_HOOKED ?/holder = 0 ?/
tools/dump.c|kvmictl_vcpu|s/last->error == error && //;s/last->start + last->len == gpa/0/
tools/dump.c|kvmictl_vcpu|s/((d->start + d->done + at) & (BLOCK - 1))/0/
tools/dump.c|kvmictl_vcpu|s/if (!is_zero(buf + at, n))/if (1)/
tools/dump.c|kvmictl_vcpu|s/if (!r \&\& d->trim \&\& d->read)/if (0)/
tools/dump.c|kvmictl_vcpu|s/if (!r && ftruncate(d->fd, d->len))/if (0)/
tools/dump.c|kvmictl_vcpu|s/d->zero -= n - (d->read - before);//
tools/dump.c|kvmictl_vcpu|s/d->hole\[i\].error != -KVMI_ENOENT/0/
tools/dump.c|kvmictl_vcpu|s/if (!d->progress || /if (/
tools/cmd_dump.c|kvmictl_vcpu|s/O_EXCL | O_NOFOLLOW/O_TRUNC/
tools/cmd_dump.c|kvmictl_vcpu|s/0600);/0644);/
tools/cmd_dump.c|kvmictl_vcpu|s/if (!d->read \&\& !unlink(file))/if (0)/
tools/cmd_dump.c|kvmictl_vcpu|s/argc - optind + !!opt.output != 1/argc - optind + !!opt.output < 1/
tools/cmd_dump.c|kvmictl_vcpu|s/if (!end)/if (0)/
tools/cmd_dump.c|kvmictl_vcpu|s/d->trim = !opt->has_length;/d->trim = true;/
tools/host.c|kvmictl|s/dup2(in < 0 ? null : in, 0)/dup2(null, 0)/
E
}

# Fresh code, objects of the last round where they still fit.
restore() {
	mkdir -p "$work/tree/include" "$work/tree/selftests"
	cp -a "$top/include/uapi" "$work/tree/include/"
	cp -a "$top/lib" "$top/tools" "$top/docs" "$top/man" "$top/packaging" "$work/tree/"
	cp -a "$here" "$work/tree/selftests/"
}

# The expected program alone; that it fails is what is wanted.
runs_well() {
	local out=$work/out
	case $1 in
	attach) timeout 60 "$out/test_attach" "$out/holder" ;;
	kvmictl) timeout 200 "$work/tree/selftests/tools/test_kvmictl.sh" "$out" ;;
	kvmictl_vcpu) timeout 200 "$work/tree/selftests/tools/test_kvmictl_vcpu.sh" "$out" ;;
	*) timeout 60 "$out/test_$1" ;;
	esac >"$work/log" 2>&1 </dev/null && ! grep -q '^not ok' "$work/log"
}

build() {
	make -s -j2 -C "$work/tree/selftests/tools" OUT="$work/out" \
		WERROR= all >"$work/build.log" 2>&1
}

restore
build || { cat "$work/build.log"; exit 2; }
echo "TAP version 13"
while IFS='|' read -r file program command; do
	# Bars in the command are its own.
	number=$((number + 1))
	[[ "$file|$program|$command" =~ $pattern ]] || continue
	cp -p "$top/$file" "$work/tree/$file"
	sed -i "$command" "$work/tree/$file"
	if cmp -s "$top/$file" "$work/tree/$file"; then
		bad=$((bad + 1))
		echo "not ok $number - $file: changes nothing: $command"
		continue
	fi
	if ! build; then
		bad=$((bad + 1))
		echo "not ok $number - $file: does not compile: $command"
		sed 's/^/# /' "$work/build.log" | grep -m3 error
	elif runs_well "$program"; then
		bad=$((bad + 1))
		echo "not ok $number - $file: $program does not notice: $command"
	else
		echo "ok $number - $program notices: $file: $command"
	fi
	cp "$top/$file" "$work/tree/$file"
done < <(mutants)
echo "1..$number"
echo "# $((number - bad)) noticed, $bad not"
((bad == 0))

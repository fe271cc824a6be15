/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Calls to kernel functions that are not exported to us.
 *
 * With kernel IBT an indirect call must land on an ENDBR instruction, and the
 * kernel removes ENDBR from functions whose address it never takes. A return
 * is not tracked, so a stub pushes the address and "returns" to it: arguments,
 * result and the caller's return address are those of an ordinary call.
 *
 * The stub of a hooked function continues behind the ftrace call of that
 * function instead of at its entry, so that it does not run into our own hook.
 */
#ifndef KVMI_COMPAT_CALL_H
#define KVMI_COMPAT_CALL_H

#include <linux/linkage.h>
#include <linux/objtool.h>

/* Before v5.17 a plain return was all there was. */
#ifndef ASM_RET
#define ASM_RET "ret\n\t"
#endif

#define KVMI_DECLARE_STUB(name, result, ...)				\
	extern unsigned long name##_target;				\
	result name(__VA_ARGS__)

/* Define the stub @name; its target is the variable <name>_target. */
#define KVMI_DEFINE_STUB(name)						\
	unsigned long name##_target;					\
	asm(".pushsection .text, \"ax\"\n\t"				\
	    ".balign 16\n\t"						\
	    ".type " #name ", @function\n"				\
	    #name ":\n\t"						\
	    "pushq " #name "_target(%rip)\n\t"				\
	    ASM_RET							\
	    ".size " #name ", . - " #name "\n\t"			\
	    ".popsection");						\
	STACK_FRAME_NON_STANDARD(name)

#endif /* KVMI_COMPAT_CALL_H */

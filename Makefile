# SPDX-License-Identifier: GPL-2.0-only
# Entry points for people; kbuild reads Kbuild. "make help" lists the targets.

VERSION := $(shell cat VERSION)
KVER ?= $(shell uname -r)
KDIR ?= /lib/modules/$(KVER)/build
DESTDIR ?=
PREFIX ?= /usr/local
SBINDIR ?= $(PREFIX)/sbin
LIBDIR ?= $(PREFIX)/lib
O ?= build/host
CC ?= cc
CFLAGS ?= -O2 -g
USER_CFLAGS := -std=gnu11 -Wall -Wextra -D_GNU_SOURCE -I include/uapi -I lib $(CFLAGS)
USER_CFLAGS += -DKVMI_VERSION_STRING='"$(VERSION)"'
USER_LDFLAGS := $(LDFLAGS) $(if $(STATIC),-static)
LIB_OBJS := $(patsubst %.c,$(O)/%.o,$(wildcard lib/*.c))
TOOL_OBJS := $(patsubst %.c,$(O)/%.o,$(wildcard tools/*.c))
DKMS_SRC := $(DESTDIR)/usr/src/kvmi-$(VERSION)
# dkms reads what its own calls of make print, which differs below another make
DKMS := env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL dkms
FUZZ_SECONDS ?= 60
export KERNEL EMU TESTS FULL MUTANTS

help: ## this list
	@awk -F ':.*## ' '/^[a-z_-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

modules: compat/generated/kvmi_autoconf.h ## kvmi.ko for KVER (default: the running kernel)
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

# The script decides what is out of date: its answer depends on KDIR as well.
compat/generated/kvmi_autoconf.h: FORCE
	compat/probe.sh -k $(KDIR) -o compat/generated

modules_install: ## install kvmi.ko for KVER (INSTALL_MOD_PATH= as usual)
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules_install

tools: $(O)/kvmictl ## kvmictl and libkvmic.a in O= (default build/host); STATIC=1 links statically

$(O)/kvmictl: $(TOOL_OBJS) $(O)/libkvmic.a
	$(CC) $(USER_CFLAGS) -o $@ $(TOOL_OBJS) $(O)/libkvmic.a $(USER_LDFLAGS)

$(O)/libkvmic.a: $(LIB_OBJS)
	rm -f $@
	$(AR) rcs $@ $^

$(O)/%.o: %.c VERSION
	@mkdir -p $(@D)
	$(CC) $(USER_CFLAGS) -MMD -MP -c -o $@ $<

-include $(LIB_OBJS:.o=.d) $(TOOL_OBJS:.o=.d)

unit: ## unit tests of the core in user space, under ASan and UBSan
	$(MAKE) -C selftests/unit check

fuzz: ## fuzz the message parser for FUZZ_SECONDS (60)
	$(MAKE) -C selftests/unit fuzz FUZZ_SECONDS=$(FUZZ_SECONDS)

lint: ## static checks against KDIR's headers
	selftests/lint.sh $(KDIR)

selftests: ## static test programs for the lab, in build/user
	@lab/userland.sh

check: ## everything on every kernel of lab/kernels.list; KERNEL= EMU= TESTS= FULL=1
	@lab/check.sh

readme-matrix: ## what the last whole make check has tested, into README.md and CHANGELOG.md
	@KERNEL= EMU= lab/check.sh jobs | lab/readme-matrix.py build/check

check-packages: ## the packages on every suite's real root, booted; KERNEL=suites FULL=1
	@lab/check-packages.sh

bench: ## costs of commands and exits in instructions, on the newest kernels; KERNEL=
	@lab/bench.sh

mutants: ## break the module in many ways, the selftests must notice; KERNEL= MUTANTS=pattern
	@lab/mutants.sh

shell: ## root shell in a VM with the module built; KERNEL=trixie
	@lab/shell.sh $(KERNEL)

demo: ## see it work: an unmodified VM, introspected
	@lab/demo.sh

HEADERS := $(wildcard lib/kvmic*.h)
PAGES := $(wildcard man/*.[1-8])

install: tools ## install kvmictl, the client library and the man pages under PREFIX
	install -D -m755 $(O)/kvmictl $(DESTDIR)$(SBINDIR)/kvmictl
	install -D -m644 $(O)/libkvmic.a $(DESTDIR)$(LIBDIR)/libkvmic.a
	install -m755 -d $(DESTDIR)$(PREFIX)/include/linux
	install -m644 $(HEADERS) $(DESTDIR)$(PREFIX)/include
	install -m644 include/uapi/linux/kvmi.h $(DESTDIR)$(PREFIX)/include/linux
	for page in $(PAGES); do \
		install -D -m644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/} || exit 1; done

uninstall: ## remove what "make install" has put there
	rm -f $(DESTDIR)$(SBINDIR)/kvmictl $(DESTDIR)$(LIBDIR)/libkvmic.a $(DESTDIR)$(PREFIX)/include/linux/kvmi.h
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/include/,$(notdir $(HEADERS)))
	for page in $(PAGES); do rm -f $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/} || exit 1; done

dkms-install: ## copy the sources to /usr/src and have DKMS build and install kvmi, and drop other versions
	install -d $(DKMS_SRC)
	cp -r src compat include Kbuild Makefile VERSION dkms.conf $(DKMS_SRC)/
	install -D packaging/dkms-check.sh $(DKMS_SRC)/packaging/dkms-check.sh
	rm -rf $(DKMS_SRC)/compat/generated
	find $(DKMS_SRC) \( -name '*.o' -o -name '*.ko' -o -name '*.mod*' -o -name '.*.cmd' \) -delete
ifeq ($(DESTDIR),)
	$(DKMS) status -m kvmi -v $(VERSION) | grep -q . || $(DKMS) add -m kvmi -v $(VERSION)
	$(DKMS) install -m kvmi -v $(VERSION) -k $(KVER)
# Another version would come back with the next kernel. The line of dkms 2.8 begins with "kvmi, ", later with "kvmi/".
	for v in $$($(DKMS) status -m kvmi | sed -n 's|^kvmi[,/] *\([^,:]*\)[,:].*|\1|p' | sort -u | grep -vxF $(VERSION)); do \
		$(DKMS) remove -m kvmi -v $$v --all && rm -rf /usr/src/kvmi-$$v || exit 1; done
endif

dkms-uninstall: ## take kvmi out of DKMS and remove its sources; a loaded module stays loaded
ifeq ($(DESTDIR),)
	if $(DKMS) status -m kvmi -v $(VERSION) | grep -q .; then $(DKMS) remove -m kvmi -v $(VERSION) --all; fi
endif
	rm -rf $(DKMS_SRC)

dist: ## reproducible source tarball build/kvmi-VERSION.tar.gz
	@packaging/dist.sh

deb: ## Debian packages in build/deb (needs debhelper and dh-dkms)
	@packaging/deb.sh

rpm: ## rpm packages in build/rpm (needs rpmbuild)
	@packaging/rpm.sh

clean: ## remove what the build made in the tree
	rm -rf build/host build/user compat/generated
	find . -path ./build -prune -o \( -name '*.o' -o -name '*.ko' -o -name '*.mod' -o -name '*.mod.c' \
		-o -name '.*.cmd' -o -name Module.symvers -o -name modules.order \) -print0 | xargs -0r rm -f

distclean: clean ## clean, and everything under build/ (not the lab's cache)
	rm -rf build

FORCE:
.PHONY: help modules modules_install tools unit fuzz lint selftests check readme-matrix check-packages bench mutants shell \
	demo install uninstall dkms-install dkms-uninstall dist deb rpm clean distclean FORCE

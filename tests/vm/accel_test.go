// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"zqublkd/internal/needs"
)

// TestProbe has QEMUs that are scripts: no KVM is needed to see what is made of what they say.
func TestProbe(t *testing.T) {
	dir := t.TempDir()
	node := filepath.Join(dir, "kvm")
	if err := os.WriteFile(node, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		node, script string
		kvm          bool
		says         string
	}{
		"boots":       {node, `case "$*" in *"-accel kvm"*) exit 33 ;; esac; exit 1`, true, ""},
		"no node":     {filepath.Join(dir, "none"), "exit 33", false, "no such file"},
		"no KVM":      {node, "echo 'failed to initialize kvm: Permission denied' >&2; echo more; exit 1", false, "failed to initialize kvm: Permission denied"},
		"hangs":       {node, "sleep 60", false, "it has not ended after 300ms"},
		"ends early":  {node, "exit 0", false, "exit status 0"},
		"dies":        {node, "kill -9 $$", false, "killed"},
		"wrong words": {node, "exit 35", false, "exit status 35"},
	} {
		t.Run(name, func(t *testing.T) {
			program := filepath.Join(t.TempDir(), "qemu")
			if err := os.WriteFile(program, []byte("#!/bin/sh\n"+c.script+"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			limit := 30 * time.Second
			if name == "hangs" {
				limit = 300 * time.Millisecond
			}
			a := probe(c.node, program, limit)
			if a.KVM != c.kvm || !strings.Contains(a.Why, c.says) || strings.Contains(a.Why, "\n") || c.kvm != (a.Why == "") {
				t.Errorf("%+v, want KVM %v, %q", a, c.kvm, c.says)
			}
		})
	}
	if a := probe(node, filepath.Join(dir, "no-qemu"), time.Second); a.KVM || !strings.Contains(a.Why, "no such file") {
		t.Errorf("without QEMU: %+v", a)
	}
}

// TestTinyMachine lets QEMU run the machine's few bytes, in emulation.
func TestTinyMachine(t *testing.T) {
	needs.Programs(t, "qemu-system-x86", emulatorName)
	if err := tinyMachine(emulatorName, "tcg", time.Minute); err != nil {
		t.Error(err)
	}
}

func TestAcceleratorArgs(t *testing.T) {
	for a, want := range map[Accelerator]string{{KVM: true}: "kvm", {Why: "x"}: "tcg,thread=multi"} {
		args := emulatorArgs(Config{}.withDefaults(), images{}, "", a)
		if k := slices.Index(args, "-accel"); k < 0 || args[k+1] != want {
			t.Errorf("%+v: %q", a, args)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

//go:build vm

package tests

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"zqublkd/tests/vm"
)

// scenario is a script of the folder scenarios and where it runs.
type scenario struct {
	name    string
	kernels []string
	small   string // the one of them it runs on at small size; "": on each
	full    bool   // not at small size, unless it is asked for: what it repeats in machines, tests of the engine look at there
	limit   time.Duration
	memory  int // MiB
	boot    vm.BootStyle
	files   []string // to take along, beside the program and the scripts
	allow   string   // complaint of the kernel that is none of ours
}

// doubleFinish is a warning of btrfs about its own work: see no_io_errors.
const doubleFinish = `^WARNING: .*btrfs_schedule_zone_finish_bg`

// abortedTransaction is what file systems say of errors that a scenario lets them meet.
const abortedTransaction = `^WARNING: .*(btrfs|f2fs)`

var bothKernels = []string{vm.Linux6_12, vm.Linux7_3}

// scenarios lists every script; one that is missing here fails TestListed.
var scenarios = []scenario{
	{name: "smoke", kernels: []string{vm.Linux7_3}, full: true},
	{name: "first", kernels: []string{vm.Linux6_12}},
	{name: "demo", kernels: []string{vm.Linux6_12}, files: []string{"demo"}},
	{name: "kill", kernels: bothKernels, small: vm.Linux6_12, limit: 8 * time.Minute},
	{name: "kill-append", kernels: bothKernels, full: true, limit: 8 * time.Minute},
	{name: "kill-fs", kernels: bothKernels, small: vm.Linux6_12, limit: 8 * time.Minute, allow: doubleFinish},
	{name: "upgrade", kernels: bothKernels, small: vm.Linux6_12},
	{name: "start", kernels: bothKernels, full: true, limit: 15 * time.Minute},
	{name: "hostile", kernels: bothKernels, small: vm.Linux7_3},
	{name: "sysfs", kernels: bothKernels, small: vm.Linux7_3},
	{name: "reports", kernels: bothKernels, small: vm.Linux6_12},
	{name: "rules", kernels: bothKernels, small: vm.Linux7_3},
	{name: "conditions", kernels: bothKernels, small: vm.Linux6_12},
	{name: "conformance", kernels: bothKernels, small: vm.Linux6_12, files: []string{"../bin/zonetest"}},
	{name: "cycles", kernels: bothKernels, full: true, limit: 15 * time.Minute},
	{name: "lifecycle", kernels: bothKernels, small: vm.Linux6_12},
	{name: "hung", kernels: bothKernels, small: vm.Linux6_12},
	{name: "holders", kernels: bothKernels, small: vm.Linux6_12},
	{name: "errors", kernels: []string{vm.Linux6_1, vm.Linux6_12, vm.Linux7_3}},
	{name: "systemd", kernels: bothKernels, small: vm.Linux6_12, limit: 10 * time.Minute, boot: vm.BootSystemd, files: []string{"../systemd"}},
	{name: "names", kernels: bothKernels, small: vm.Linux6_12, boot: vm.BootSystemd, files: []string{"../systemd"}},
	{name: "apart", kernels: bothKernels, full: true, boot: vm.BootSystemd, files: []string{"../systemd"}},
	{name: "operate", kernels: bothKernels, full: true, boot: vm.BootSystemd, files: []string{"../systemd", "../docs/operate.md"}},
	{name: "deb", kernels: []string{vm.Linux6_12}, full: true, boot: vm.BootSystemd, files: []string{"../bin/deb",
		"/usr/bin/dpkg", "/usr/bin/dpkg-deb", "/usr/bin/dpkg-query", "/usr/bin/dpkg-split"}},
	{name: "commands", kernels: bothKernels, full: true, limit: 10 * time.Minute, files: []string{"../README.md", "../docs/man/zqublkd.8"}},
	{name: "cookbook", kernels: bothKernels, full: true, limit: 8 * time.Minute, files: []string{"../docs/cookbook.md"}},
	{name: "btrfs", kernels: bothKernels, small: vm.Linux7_3, limit: 8 * time.Minute},
	{name: "f2fs", kernels: bothKernels, small: vm.Linux6_12, limit: 8 * time.Minute},
	{name: "xfs", kernels: []string{vm.Linux7_3}, full: true, limit: 8 * time.Minute},
	{name: "zonefs", kernels: bothKernels, small: vm.Linux6_12},
	{name: "fio", kernels: bothKernels, small: vm.Linux7_3, limit: 8 * time.Minute},
	{name: "share", kernels: bothKernels, full: true, limit: 8 * time.Minute, allow: doubleFinish},
	{name: "append", kernels: bothKernels, small: vm.Linux6_12},
	{name: "zonemap", kernels: bothKernels, full: true},
	{name: "trace", kernels: bothKernels, full: true, limit: 8 * time.Minute},
	{name: "wear", kernels: bothKernels, full: true},
	{name: "see", kernels: bothKernels, small: vm.Linux6_12, limit: 8 * time.Minute, files: []string{filepath.Join(vm.CacheDir(), "prometheus"),
		"../contrib/prometheus/zqublkd.rules.yml", "../contrib/grafana/zqublkd.json"}},
	{name: "zerocopy", kernels: bothKernels, small: vm.Linux7_3},
	{name: "faults", kernels: bothKernels, small: vm.Linux6_12, limit: 8 * time.Minute},
	{name: "fault", kernels: bothKernels, small: vm.Linux6_12, limit: 8 * time.Minute},
	{name: "plain", kernels: bothKernels, small: vm.Linux7_3, limit: 8 * time.Minute},
	{name: "sectors", kernels: bothKernels, full: true, memory: 3072, limit: 15 * time.Minute},
	{name: "overlay", kernels: bothKernels, full: true, limit: 15 * time.Minute},
	{name: "faultfs", kernels: bothKernels, full: true, limit: 10 * time.Minute, allow: abortedTransaction},
	{name: "powercuts", kernels: bothKernels, full: true, limit: 15 * time.Minute, allow: doubleFinish},
	{name: "ci", kernels: bothKernels, full: true, files: []string{"../contrib/ci/zoned-run", "../contrib/ci/example"}},
	{name: "clones", kernels: bothKernels, full: true, limit: 10 * time.Minute},
	{name: "profiles", kernels: bothKernels, full: true},
	{name: "layouts", kernels: bothKernels, full: true, limit: 8 * time.Minute},
}

// binary is the program under test, built by `make build` without cgo.
const binary = "../bin/zqublkd"

// slots bounds how many machines run at once: each has two CPUs, which may be emulated, and
// some GiB of memory.
var slots = make(chan struct{}, min(max(2, runtime.NumCPU()), 8))

func TestScenarios(t *testing.T) {
	if _, err := os.Stat(binary); err != nil {
		t.Fatalf("%v: run `make build` first", err)
	}
	for _, s := range scenarios {
		if len(s.now()) == 0 {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			for _, k := range s.now() {
				t.Run(k, func(t *testing.T) {
					t.Parallel()
					slots <- struct{}{}
					defer func() { <-slots }()
					s.run(t, k)
				})
			}
		})
	}
}

// now are the kernels to run on. The environment variable ZQUBLKD_KERNELS=all
// makes it each of them at every size.
func (s scenario) now() []string {
	if s.small == "" && !s.full || size() == "full" || os.Getenv("ZQUBLKD_KERNELS") == "all" {
		return s.kernels
	}
	if s.full {
		return nil
	}
	return []string{s.small}
}

func (s scenario) run(t *testing.T, kernel string) {
	memory, limit := s.resources()
	var allow []*regexp.Regexp
	if s.allow != "" {
		allow = append(allow, regexp.MustCompile(s.allow))
	}
	r := vm.Run(t, vm.Config{
		Kernel: kernel, Allow: allow, MemoryMiB: memory, Boot: s.boot, Limit: limit,
		Files: append([]string{binary, "scenarios"}, s.files...), Env: []string{"SIZE=" + size()},
	}, "bash", "/opt/zqublkd/scenarios/"+s.name+".sh")
	if r.Status != 0 {
		t.Fatalf("exit status %d", r.Status)
	}
}

// resources are the machine's MiB of memory, where the files of a scenario are,
// too, and the time it may take.
func (s scenario) resources() (memory int, limit time.Duration) {
	memory, limit = s.memory, s.limit
	if memory == 0 {
		memory = 2048
	}
	if limit == 0 {
		limit = 8 * time.Minute // on a machine that does nothing else the longest takes three
	}
	if size() == "full" {
		return 3 * memory, 4 * limit
	}
	return memory, limit
}

func size() string {
	if s := os.Getenv("ZQUBLKD_SIZE"); s != "" {
		return s
	}
	return "small"
}

// TestListed keeps scripts from being forgotten.
func TestListed(t *testing.T) {
	listed := map[string]bool{"lib": true, "fs": true, "zones": true, "death": true, "nvmet": true, "initiator": true, "soak": true, "install": true}
	for _, s := range scenarios {
		listed[s.name] = true
	}
	files, err := filepath.Glob("scenarios/*.sh")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, f := range files {
		if name := strings.TrimSuffix(filepath.Base(f), ".sh"); !listed[name] {
			t.Errorf("%s is not in the list of scenarios", f)
		}
	}
}

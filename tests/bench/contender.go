// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// contender is a block device under test and who serves it.
type contender struct {
	name  string
	store string // where its data lies
	zoned bool
	plain bool // its data lies in a plain qcow2
	wide  bool // two queues
	big   bool // zones of bigZone bytes
	start func(c *contender, file string) error

	dev  string
	pid  int    // 0: the kernel serves it
	file string // a raw file that holds the disk, "" if there is none
}

// contenders are those this kernel can have, ours first.
func contenders(store string, autoBuffers bool) []*contender {
	list := []*contender{
		{name: ours, zoned: true, start: zqublkd(zonedImage(zoneSize), "--queues=1")},
		{name: ours + ", plain qcow2", plain: true, start: zqublkd(plainImage, "--queues=1")},
		{name: "kublk loop", start: kublk("-t", "loop", "-q", "1")},
		{name: "kublk loop, user copy", start: kublk("-t", "loop", "-q", "1", "-u")},
		{name: "loop driver", start: losetup},
		{name: "qemu-nbd, plain qcow2", plain: true, start: qemuNBD},
		{name: ours + ", 2 queues", zoned: true, wide: true, start: zqublkd(zonedImage(zoneSize), "--queues=2")},
		{name: "kublk loop, 2 queues", wide: true, start: kublk("-t", "loop", "-q", "2")},
		{name: ours + ", 128 MiB zones", big: true, zoned: true, start: zqublkd(zonedImage(bigZone), "--queues=1")},
	}
	if _, err := exec.LookPath(otherBuild); err == nil {
		list = append(list, &contender{name: ours + ", other build", zoned: true,
			start: served(otherBuild, zonedImage(zoneSize), "--queues=1")},
			&contender{name: ours + ", other build, plain qcow2", plain: true,
				start: served(otherBuild, plainImage, "--queues=1")})
	}
	if autoBuffers {
		list = append(list,
			&contender{name: ours + ", user copy", zoned: true, start: zqublkd(zonedImage(zoneSize), "--queues=1",
				"--zero-copy=off")},
			&contender{name: plainOurs + ", user copy", plain: true, start: zqublkd(plainImage, "--queues=1",
				"--zero-copy=off")},
			&contender{name: "kublk loop, zero copy", start: kublk("-t", "loop", "-q", "1", "--auto_zc")})
	}
	if store == tmpfs {
		list = append(list,
			&contender{name: ours + ", page cache", zoned: true, start: zqublkd(zonedImage(zoneSize), "--queues=1",
				"--cache=writeback")},
			&contender{name: "kublk null", start: kublk("-t", "null", "-q", "1")},
			&contender{name: "null_blk, zoned", zoned: true, start: nullBlk})
	}
	for _, c := range list {
		c.store = store
	}
	return list
}

// up starts c, whose data goes to file, and makes it ready to be measured.
func (c *contender) up(file string) error {
	if err := c.start(c, file); err != nil {
		return err
	}
	if err := os.WriteFile(c.sys("scheduler"), []byte("none"), 0); err != nil {
		return err
	}
	fmt.Printf("up: %s on %s as %s\n", c.name, c.store, c.dev)
	return c.fill(0, readSize)
}

// fill writes n bytes at off, which are empty. More options may follow.
func (c *contender) fill(off, n int, more ...string) error {
	args := []string{"--name=fill", "--filename=" + c.dev, "--rw=write", "--bs=1M", "--direct=1", "--ioengine=io_uring",
		"--offset=" + strconv.Itoa(off), "--size=" + strconv.Itoa(n)}
	if c.zoned {
		args = append(args, "--zonemode=zbd")
	}
	_, err := output("fio", append(args, more...)...)
	return err
}

// fillHalves makes each zone that is written to half full.
func (c *contender) fillHalves() error {
	return c.fill(writeAt, zoneSize, fmt.Sprintf("--numjobs=%d", writeSize/zoneSize),
		fmt.Sprintf("--offset_increment=%d", zoneSize),
		fmt.Sprintf("--number_ios=%d", zoneSize/2>>20))
}

// empty makes the zones that are written to empty. A raw file and a plain
// image give the same space back, so that everybody's writes have to take it
// anew.
func (c *contender) empty() (err error) {
	switch {
	case c.zoned:
		_, err = output("blkzone", "reset", "-o", strconv.Itoa(writeAt/512), "-l", strconv.Itoa(writeSize/512), c.dev)
	case c.file != "":
		_, err = output("fallocate", "-p", "-o", strconv.Itoa(writeAt), "-l", strconv.Itoa(writeSize), c.file)
	case c.plain:
		_, err = output("blkdiscard", "-f", "-o", strconv.Itoa(writeAt), "-l", strconv.Itoa(writeSize), c.dev)
	}
	return err
}

// scheduler is the device's I/O scheduler now: udev and the kernel may undo
// the choice.
func (c *contender) scheduler() string {
	b, _ := os.ReadFile(c.sys("scheduler"))
	_, after, _ := strings.Cut(string(b), "[")
	name, _, ok := strings.Cut(after, "]")
	if !ok {
		return trim(b)
	}
	return name
}

// sys is an attribute of the device's queue.
func (c *contender) sys(attribute string) string {
	return "/sys/block/" + strings.TrimPrefix(c.dev, "/dev/") + "/queue/" + attribute
}

func trim(b []byte) string { return strings.TrimSpace(string(b)) }

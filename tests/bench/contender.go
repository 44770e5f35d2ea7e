package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// contender is a block device under test and who serves it.
type contender struct {
	name  string
	store string // where its data lies
	zoned bool
	wide  bool // two queues
	start func(c *contender, file string) error

	dev  string
	pid  int    // 0: the kernel serves it
	file string // a raw file that holds the disk, "" if there is none
}

// contenders are those this kernel can have, ours first. The file of each is
// made by its start below the store's folder.
func contenders(store string, autoBuffers bool) []*contender {
	list := []*contender{
		{name: "zqublkd", zoned: true, start: zqublkd(zonedImage, "--queues=1")},
		{name: "zqublkd, plain qcow2", start: zqublkd(plainImage, "--queues=1")},
		{name: "kublk loop", start: kublk("-t", "loop", "-q", "1")},
		{name: "kublk loop, user copy", start: kublk("-t", "loop", "-q", "1", "-u")},
		{name: "loop driver", start: losetup},
		{name: "qemu-nbd, plain qcow2", start: qemuNBD},
		{name: "zqublkd, 2 queues", zoned: true, wide: true, start: zqublkd(zonedImage, "--queues=2")},
		{name: "kublk loop, 2 queues", wide: true, start: kublk("-t", "loop", "-q", "2")},
	}
	if autoBuffers {
		list = append(list, &contender{name: "kublk loop, zero copy", start: kublk("-t", "loop", "-q", "1", "--auto_zc")})
	}
	if store == "tmpfs" {
		list = append(list,
			&contender{name: "zqublkd, page cache", zoned: true, start: zqublkd(zonedImage, "--queues=1", "--cache=writeback")},
			&contender{name: "kublk null", start: kublk("-t", "null", "-q", "1")},
			&contender{name: "null_blk, zoned", zoned: true, start: nullBlk})
	}
	for _, c := range list {
		c.store = store
	}
	return list
}

// output runs a command and returns what it prints.
func output(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

func zonedImage(file string) error {
	_, err := output("zqublkd", "create", "-o", fmt.Sprintf("size=%d,zone.mode=host-managed,zone.size=%d", diskSize, zoneSize), file)
	return err
}

func plainImage(file string) error {
	_, err := output("qemu-img", "create", "-q", "-f", "qcow2", file, strconv.Itoa(diskSize))
	return err
}

func zqublkd(create func(file string) error, options ...string) func(*contender, string) error {
	return func(c *contender, file string) (err error) {
		if err = create(file); err != nil {
			return err
		}
		if c.dev, err = output("zqublkd", append([]string{"add", "--depth=128", file}, options...)...); err != nil {
			return err
		}
		list, err := output("sh", "-c", "zqublkd list --json | jq '.[] | select(.node == \""+c.dev+"\") | .pid'")
		if err != nil {
			return err
		}
		c.pid, err = strconv.Atoi(list)
		return err
	}
}

// kublk numbers its devices from 20 on, out of the way of ours.
var kublkID = 20

func kublk(options ...string) func(*contender, string) error {
	return func(c *contender, file string) error {
		args := append([]string{"add", "-n", strconv.Itoa(kublkID), "-d", "128"}, options...)
		if options[1] != "null" {
			if err := c.blank(file); err != nil {
				return err
			}
			args = append(args, file)
		}
		text, err := output("kublk", args...)
		if err != nil {
			return err
		}
		c.dev = "/dev/ublkb" + strconv.Itoa(kublkID)
		kublkID++
		_, after, _ := strings.Cut(text, "daemon pid ")
		c.pid, err = strconv.Atoi(strings.Fields(after + " -")[0])
		return err
	}
}

// blank makes a raw file of a disk's size with all its space taken.
func (c *contender) blank(file string) error {
	c.file = file
	_, err := output("dd", "if=/dev/zero", "of="+file, "bs=1M", fmt.Sprintf("count=%d", diskSize>>20))
	return err
}

func losetup(c *contender, file string) (err error) {
	if err = c.blank(file); err != nil {
		return err
	}
	c.dev, err = output("losetup", "--show", "--direct-io=on", "-f", file)
	return err
}

// qemuNBD serves a plain image, with the fastest of its ways of I/O on a
// Linux with io_uring.
func qemuNBD(c *contender, file string) error {
	if err := plainImage(file); err != nil {
		return err
	}
	c.dev = "/dev/nbd0"
	if strings.Contains(c.store, "latency") {
		c.dev = "/dev/nbd1"
	}
	pidFile := file + ".pid"
	if _, err := output("qemu-nbd", "--fork", "-c", c.dev, "-f", "qcow2", "--cache=none", "--aio=io_uring", "--pid-file="+pidFile, file); err != nil {
		return err
	}
	b, err := os.ReadFile(pidFile)
	if err != nil {
		return err
	}
	c.pid, err = strconv.Atoi(strings.TrimSpace(string(b)))
	return err
}

func nullBlk(c *contender, _ string) error {
	c.dev = "/dev/nullbz"
	return configNull("nullbz", map[string]int{"memory_backed": 1, "blocksize": 4096, "size": diskSize >> 20, "zoned": 1, "zone_size": zoneSize >> 20, "submit_queues": 1})
}

// configNull makes a null_blk device through configfs.
func configNull(name string, set map[string]int) error {
	dir := "/sys/kernel/config/nullb/" + name
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for key, value := range set {
		if err := os.WriteFile(dir+"/"+key, []byte(strconv.Itoa(value)), 0); err != nil {
			return err
		}
	}
	return os.WriteFile(dir+"/power", []byte("1"), 0)
}

// prepare fills what is read, and sets the scheduler to none: a disk with one
// queue gets mq-deadline else.
func (c *contender) prepare() error {
	name := strings.TrimPrefix(c.dev, "/dev/")
	if err := os.WriteFile("/sys/block/"+name+"/queue/scheduler", []byte("none"), 0); err != nil {
		return err
	}
	args := []string{"--name=fill", "--filename=" + c.dev, "--rw=write", "--bs=1M", "--direct=1", "--ioengine=io_uring", "--offset=0", fmt.Sprintf("--size=%d", readSize)}
	if c.zoned {
		args = append(args, "--zonemode=zbd")
	}
	_, err := output("fio", args...)
	return err
}

// reset makes the zones that are written to empty. A raw file gives the same
// space back, so that everybody's writes have to take it anew.
func (c *contender) reset() (err error) {
	switch {
	case c.zoned:
		_, err = output("blkzone", "reset", "-o", strconv.Itoa(writeAt/512), "-l", strconv.Itoa((diskSize-writeAt)/512), c.dev)
	case c.file != "":
		_, err = output("fallocate", "-p", "-o", strconv.Itoa(writeAt), "-l", strconv.Itoa(diskSize-writeAt), c.file)
	}
	return err
}

// scheduler is the device's I/O scheduler now: udev and the kernel may undo
// the choice.
func (c *contender) scheduler() string {
	b, _ := os.ReadFile("/sys/block/" + strings.TrimPrefix(c.dev, "/dev/") + "/queue/scheduler")
	_, after, _ := strings.Cut(string(b), "[")
	name, _, ok := strings.Cut(after, "]")
	if !ok {
		return strings.TrimSpace(string(b))
	}
	return name
}

// settle gives what a start leaves behind time to end.
func settle() { time.Sleep(time.Second) }

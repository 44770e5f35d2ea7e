// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// output runs a command and returns what it prints.
func output(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// otherBuild is another build of the program, if there is one to compare with.
const otherBuild = "zqublkd-other"

func zonedImage(zone int) func(file string) error {
	return func(file string) error {
		_, err := output("zqublkd", "create", "-o", fmt.Sprintf("size=%d,zone.mode=host-managed,zone.size=%d", diskSize, zone), file)
		return err
	}
}

func plainImage(file string) error {
	_, err := output("qemu-img", "create", "-q", "-f", "qcow2", file, strconv.Itoa(diskSize))
	return err
}

func zqublkd(create func(file string) error, options ...string) func(*contender, string) error {
	return served("zqublkd", create, options...)
}

func served(program string, create func(file string) error, options ...string) func(*contender, string) error {
	return func(c *contender, file string) (err error) {
		if err = create(file); err != nil {
			return err
		}
		if c.dev, err = output(program, append([]string{"add", "--depth=128", file}, options...)...); err != nil {
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

// blank makes a raw file of a disk's size.
func (c *contender) blank(file string) error {
	c.file = file
	_, err := output("truncate", "-s", strconv.Itoa(diskSize), file)
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
	if c.store == slow {
		c.dev = "/dev/nbd1"
	}
	pidFile := file + ".pid"
	if _, err := output("qemu-nbd", "--fork", "-c", c.dev, "-f", "qcow2", "--cache=none", "--discard=unmap",
		"--aio=io_uring", "--pid-file="+pidFile, file); err != nil {
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
	return configNull("nullbz", map[string]int{"memory_backed": 1, "blocksize": 4096, "size": diskSize >> 20,
		"zoned": 1, "zone_size": zoneSize >> 20, "submit_queues": 1})
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

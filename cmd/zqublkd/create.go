package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"zqublkd/internal/server"
	"zqublkd/internal/storage"
	"zqublkd/qcow2"
)

// createOption is one option of create: a key of -o, spelled as qemu-img does,
// and a flag of its own.
type createOption struct {
	key, flag, help string
	set             func(*qcow2.CreateOptions, string) error
}

var createOptions = []createOption{
	{"size", "size", "virtual size", sizeInto(func(o *qcow2.CreateOptions, n uint64) { o.Size = n })},
	{"cluster_size", "cluster-size", "cluster size (default 64K)", sizeInto(func(o *qcow2.CreateOptions, n uint64) { o.ClusterSize = n })},
	{"refcount_bits", "refcount-bits", "width of a refcount (default 16)", numberInto(func(o *qcow2.CreateOptions, n uint32) { o.RefcountBits = n })},
	{"extended_l2", "extended-l2", "subclusters: on or off (default off)", setExtendedL2},
	{"logical_block_size", "logical-block-size", "512 or 4096 (default 4096 with zones, else 512)", sizeInto(func(o *qcow2.CreateOptions, n uint64) { o.LogicalBlockSize = uint32(min(n, 1<<31)) })},
	{"zone.mode", "zone-mode", "host-managed; anything with zones needs it", setZoneMode},
	{"zone.revision", "zone-revision", "layout of the zone metadata (default v6): v6, v8, v11 or v14, each that of other QEMU patches", func(o *qcow2.CreateOptions, s string) error { zone(o).Revision = s; return nil }},
	{"zone.size", "zone-size", "zone size, a power of two (default 256M)", sizeInto(func(o *qcow2.CreateOptions, n uint64) { zone(o).Size = n })},
	{"zone.capacity", "zone-capacity", "usable bytes of a zone (default: the zone size)", sizeInto(func(o *qcow2.CreateOptions, n uint64) { zone(o).Capacity = n })},
	{"zone.conventional_zones", "zone-conventional-zones", "number of conventional zones (default 0)", numberInto(func(o *qcow2.CreateOptions, n uint32) { zone(o).Conventional = n })},
	{"zone.max_open_zones", "zone-max-open-zones", "limit of open zones, 0: none", numberInto(func(o *qcow2.CreateOptions, n uint32) { zone(o).MaxOpen = n })},
	{"zone.max_active_zones", "zone-max-active-zones", "limit of active zones, 0: none", numberInto(func(o *qcow2.CreateOptions, n uint32) { zone(o).MaxActive = n })},
	{"zone.max_append_bytes", "zone-max-append-bytes", "largest append, 0: as large as a request", sizeInto(func(o *qcow2.CreateOptions, n uint64) { zone(o).MaxAppendBytes = uint32(min(n, 1<<32-1)) })},
}

// zone is the zone part of o, made on first use.
func zone(o *qcow2.CreateOptions) *qcow2.ZoneOptions {
	if o.Zone == nil {
		o.Zone = new(qcow2.ZoneOptions)
	}
	return o.Zone
}

func sizeInto(f func(*qcow2.CreateOptions, uint64)) func(*qcow2.CreateOptions, string) error {
	return func(o *qcow2.CreateOptions, s string) error {
		n, err := parseSize(s)
		f(o, n)
		return err
	}
}

func numberInto(f func(*qcow2.CreateOptions, uint32)) func(*qcow2.CreateOptions, string) error {
	return func(o *qcow2.CreateOptions, s string) error {
		n, err := strconv.ParseUint(s, 0, 32)
		if err != nil {
			return fmt.Errorf("%q is no whole number up to 4294967295", s)
		}
		f(o, uint32(n))
		return nil
	}
}

func setExtendedL2(o *qcow2.CreateOptions, s string) error {
	switch s {
	case "on", "true", "yes":
		o.ExtendedL2 = true
	case "off", "false", "no":
		o.ExtendedL2 = false
	default:
		return fmt.Errorf("%q is neither on nor off", s)
	}
	return nil
}

func setZoneMode(o *qcow2.CreateOptions, s string) error {
	if s != "host-managed" {
		return fmt.Errorf("%q is not known, only host-managed", s)
	}
	zone(o)
	return nil
}

func newCreate() *cobra.Command {
	var list []string
	var force bool
	c := &cobra.Command{
		Use:   "create IMAGE",
		Short: "Create a zoned qcow2 image (or a plain one, without zone options)",
		Long: `Create a qcow2 image. Options are given as qemu-img takes them, -o key=value,...,
or as flags of their own. Sizes take K, M, G and T.

  zqublkd create -o size=8G,zone.mode=host-managed,zone.size=64M disk.qcow2
  zqublkd create --size 8G --zone-size 64M --zone-conventional-zones 4 disk.qcow2`,
		Args: exactly("IMAGE"),
	}
	c.Flags().StringArrayVarP(&list, "option", "o", nil, "options as key=value,...")
	c.Flags().BoolVar(&force, "force", false, "replace an existing image, once the new one is complete")
	values := make([]*string, len(createOptions))
	for i, opt := range createOptions {
		values[i] = c.Flags().String(opt.flag, "", opt.help)
	}
	idle := addIdle(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		o, err := parseCreate(list, values)
		if err != nil {
			return usageError{err}
		}
		if err := idle(args[0]); err != nil {
			return err
		}
		return create(c, args[0], o, force)
	}
	return c
}

// parseCreate collects the options; flags of their own win over -o.
func parseCreate(list []string, values []*string) (qcow2.CreateOptions, error) {
	var o qcow2.CreateOptions
	moded := false
	for _, pair := range strings.Split(strings.Join(list, ","), ",") {
		if pair == "" {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		if err := setOption(&o, key, value); err != nil {
			return o, err
		}
		moded = moded || key == "zone.mode"
	}
	if o.Zone != nil && !moded {
		return o, fmt.Errorf("zone options in -o need zone.mode=host-managed with them")
	}
	for i, v := range values {
		if *v == "" {
			continue
		}
		if err := createOptions[i].set(&o, *v); err != nil {
			return o, fmt.Errorf("--%s: %w", createOptions[i].flag, err)
		}
	}
	return o, nil
}

func setOption(o *qcow2.CreateOptions, key, value string) error {
	for _, opt := range createOptions {
		if opt.key == key || opt.key == strings.ReplaceAll(key, "-", "_") {
			if err := opt.set(o, value); err != nil {
				return fmt.Errorf("-o %s: %w", opt.key, err)
			}
			return nil
		}
	}
	keys := make([]string, len(createOptions))
	for i, opt := range createOptions {
		keys[i] = opt.key
	}
	return fmt.Errorf("-o %s: no such option; there are %s", key, strings.Join(keys, ", "))
}

// create makes the image; options are judged before any file is touched. What it
// could not finish nobody sees: a stub would stop the next attempt.
func create(c *cobra.Command, path string, o qcow2.CreateOptions, force bool) error {
	if err := o.Validate(); err != nil {
		return err
	}
	f, err := storage.NewDraft(path, force)
	if err != nil {
		return err
	}
	defer f.Close()
	if err = qcow2.Create(f, o); err == nil {
		err = f.Publish()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return tellCreated(c, path, f)
}

// tellCreated says what image there is now, and who can use it.
func tellCreated(c *cobra.Command, path string, f storage.File) error {
	img, err := qcow2.Open(f, qcow2.OpenOptions{ReadOnly: true, Lenient: true})
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	fmt.Fprintln(c.OutOrStdout(), summary(path, img))
	if line := compatibility(img); line != "" {
		fmt.Fprintln(c.OutOrStdout(), line)
	}
	if block := img.LogicalBlockSize(); img.Zoned() == nil && block != qcow2.DefaultLogicalBlockSize {
		fmt.Fprintf(c.ErrOrStderr(), "zqublkd: note: only zqublkd knows of blocks of %d bytes: QEMU reads the partition table of such a disk with blocks of 512\n", block)
	}
	if err := server.Servable(img); err != nil {
		fmt.Fprintf(c.ErrOrStderr(), "zqublkd: note: it can't be served here: %v\n", err)
	}
	return nil
}

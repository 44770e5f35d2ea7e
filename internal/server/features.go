// SPDX-License-Identifier: Apache-2.0

package server

import (
	"fmt"
	"zqublkd/internal/engine"
	"zqublkd/ublk"
)

// wanted are the driver's features that the disk needs, and those it likes, of
// a driver that has these.
func (d *Device) wanted(has ublk.Features) (need, like ublk.Features) {
	need, like = ublk.FeatureUserCopy, 0
	if d.disk.Image().Zoned() != nil {
		need |= ublk.FeatureZoned
		like |= ublk.FeatureNoAutoPartScan
	} else {
		like |= ublk.FeatureUpdateSize
	}
	if pages := ublk.FeatureZeroCopy | ublk.FeatureAutoBufReg; d.cfg.ZeroCopy == ZeroCopyAuto && d.disk.Direct() &&
		has.Has(pages) {
		like |= pages // one without the other is of no use
	}
	if d.cfg.Recovery == RecoveryReissue {
		need |= ublk.FeatureRecovery | ublk.FeatureRecoveryReissue
	}
	return need, like
}

func (d *Device) addDevice() error {
	if err := ublk.KnownBad(d.release()); err != nil && !d.cfg.Force {
		return fmt.Errorf("%w; --force tries all the same", err)
	}
	has, err := d.driver.Features()
	need, like := d.wanted(has)
	if err := checkFeatures(has, need, err); err != nil {
		return err
	}
	return d.takeNumber(ublk.AddOptions{
		Queues: d.cfg.Queues, Depth: d.cfg.Depth, MaxIOBytes: engine.MaxSectors * ublk.SectorBytes, Flags: need,
		Optional: like & has,
	})
}

// checkFeatures judges the driver's answer to what its features are.
func checkFeatures(has, need ublk.Features, err error) error {
	if err != nil {
		return fmt.Errorf("%w too old, it can't say its features: Linux 6.6 or newer is needed (%w)", ErrKernel, err)
	}
	if missing := has.Missing(need); missing != 0 {
		return fmt.Errorf("%w without %s: Linux 6.6 or newer with CONFIG_BLK_DEV_ZONED is needed, see `zqublkd features`", ErrKernel, missing)
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package ublk

// checkZoned checks the geometry of a zoned disk.
func checkZoned(p *Params) *ParamError {
	if p.Zoned == nil {
		return nil
	}
	chunk := uint64(p.ChunkSectors)
	switch {
	case !isPow2(chunk):
		return broken("ChunkSectors", "a zone of %d sectors: the size of zones must be a power of two", chunk)
	case p.DevSectors < chunk:
		return broken("DevSectors", "%d is less than one zone of %d sectors", p.DevSectors, chunk)
	case p.DevSectors%chunk != 0:
		return broken("DevSectors", "%d is no multiple of the zone size of %d sectors: the kernel takes no short last zone", p.DevSectors, chunk)
	case p.MaxSectors > MaxZonedSectors:
		return broken("MaxSectors", "%d is more than %d: larger zone reports crash Linux 7.3", p.MaxSectors, MaxZonedSectors)
	case p.Zones() > uint64(MaxZones(p.MaxSectors)):
		return broken("ChunkSectors", "%d zones, but a report of more than %d does not fit into one request: make zones larger or raise MaxSectors (at most %d)",
			p.Zones(), MaxZones(p.MaxSectors), MaxZonedSectors)
	case p.Rotational:
		return broken("Rotational", "on a zoned disk Linux 7.3 then writes one request at a time: leave it off")
	}
	return nil
}

// checkZoneLimits checks the open, active and append limits of a zoned disk.
func checkZoneLimits(p *Params) *ParamError {
	z := p.Zoned
	if z == nil {
		return nil
	}
	block := p.LogicalBlockBytes / SectorBytes
	switch {
	case uint64(z.MaxOpen) > p.Zones():
		return broken("Zoned.MaxOpen", "%d open zones of %d: give at most the number of zones, or 0 for no limit", z.MaxOpen, p.Zones())
	case uint64(z.MaxActive) > p.Zones():
		return broken("Zoned.MaxActive", "%d active zones of %d: give at most the number of zones, or 0 for no limit", z.MaxActive, p.Zones())
	case z.MaxActive != 0 && z.MaxOpen > z.MaxActive:
		return broken("Zoned.MaxOpen", "%d is more than the %d zones that may be active: an open zone is active too", z.MaxOpen, z.MaxActive)
	case z.MaxAppendSectors == 0:
		return broken("Zoned.MaxAppendSectors", "0 is refused by the driver: give at least one logical block")
	case z.MaxAppendSectors%block != 0:
		return broken("Zoned.MaxAppendSectors", "%d is no multiple of the logical block of %d sectors", z.MaxAppendSectors, block)
	}
	return nil
}

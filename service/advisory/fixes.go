package advisory

import "iter"

// A Fix is a fixed version of one package. It is comparable: the same fix in two records is
// the same value.
type Fix struct {
	Ecosystem, Package, Version string
}

// Fixes yields the fixes that the record names, each once, in the order of the record.
// Ranges of commits (GIT) and entries without a package are left out, because their fixes
// cannot be installed.
func (a Advisory) Fixes() iter.Seq[Fix] {
	return func(yield func(Fix) bool) {
		seen := make(map[Fix]struct{})
		for _, entry := range a.Affected {
			if entry.Package.Ecosystem == "" || entry.Package.Name == "" {
				continue
			}
			for _, r := range entry.Ranges {
				if r.Type == Git {
					continue
				}
				for _, e := range r.Events {
					if e.Fixed == "" {
						continue
					}
					f := Fix{entry.Package.Ecosystem, entry.Package.Name, e.Fixed}
					if _, ok := seen[f]; ok {
						continue
					}
					seen[f] = struct{}{}
					if !yield(f) {
						return
					}
				}
			}
		}
	}
}

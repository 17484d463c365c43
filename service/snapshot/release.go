package snapshot

import (
	"syscall"
	"time"
)

// releaseEvery is how often releasing releases pages. A file is read with less than 1 GiB/s.
const releaseEvery = 50 * time.Millisecond

// releasing runs f, which reads most of the mapped file, and keeps the resident memory of
// the process small meanwhile. Every page of a map that was read counts as resident, and
// files may be larger than the memory that assayd is given. f must not close the file.
func (h *handle) releasing(f func() error) error {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(releaseEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				h.release()
			case <-done:
				h.release()
				return
			}
		}
	}()
	// The map must not be released after it was closed: other memory may be at its address.
	defer func() {
		close(done)
		<-ended
	}()
	return f()
}

// release gives back the pages of the map. The system still caches them, and maps them again
// when they are read.
func (h *handle) release() {
	info, err := h.file.Stat()
	// The map of a larger file may be replaced at any time.
	if err != nil || info.Size() == 0 || info.Size() > mapSize/2 {
		return
	}
	// An error has no effect other than that the pages stay.
	_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, h.bolt.Info().Data, uintptr(info.Size()), syscall.MADV_DONTNEED)
}

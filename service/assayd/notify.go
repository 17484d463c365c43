package main

import (
	"errors"
	"log/slog"
	"net"
	"os"
)

// notify sends a state to the service manager that started this process, as
// sd_notify(3) does. It does nothing if there is no service manager.
func notify(log *slog.Logger, state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	conn, err := net.Dial("unixgram", path)
	if err == nil {
		_, err = conn.Write([]byte(state))
		err = errors.Join(err, conn.Close())
	}
	if err != nil {
		log.Warn("the service manager was not notified", "socket", path, "err", err)
	}
}

package modem

import (
	"context"
	"fmt"
	"net"
	"time"
)

// OpenTCP connects to a board whose serial port is offered at a TCP address,
// by ser2net or a board with Wi-Fi, and waits until it answers: ten seconds
// at most for each of the two. Configure it before the first Send.
//
// Nothing keeps a second host from the same board; whoever offers the port
// has to.
func OpenTCP(ctx context.Context, addr string) (Modem, error) {
	dialer := net.Dialer{
		Timeout:         openWait,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3},
	}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connect to board: %w", err)
	}
	b, err := start(ctx, "tcp:"+addr, conn)
	if err != nil {
		return nil, fmt.Errorf("open board at %s: %w", addr, err)
	}
	return b, nil
}

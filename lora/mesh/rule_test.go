package mesh

import (
	"math"
	"testing"
)

func TestRule(t *testing.T) {
	tuning := Tuning{}.complete()
	lacking := []listener{{ways: 3}, {ways: 3}}
	tests := []struct {
		name  string
		scene scene
		want  bool
		rank  float64
	}{
		{"all lack it", scene{copies: 1, listeners: lacking}, true, 0},
		{"all have it", scene{copies: 2, listeners: []listener{{ways: 3, has: true}, {ways: 3, has: true}}}, false, 1},
		{"a copy may have reached them", scene{copies: 2, listeners: []listener{{ways: 3, copies: 1}}}, false, 0.97},
		{"one of two lacks it", scene{copies: 1, listeners: []listener{{ways: 3, has: true}, {ways: 3}}}, true, 0.5},
		{"one who hears many", scene{copies: 1, listeners: []listener{{ways: 30}}}, false, 0},
		{"a busy channel", scene{copies: 1, load: 0.9, listeners: []listener{{ways: 3}}}, false, 0},
		{"nothing known, little heard", scene{copies: 2}, true, 1},
		{"nothing known, much heard", scene{copies: 3}, false, 1},
		{"nothing known, already sent", scene{copies: 1, sent: 1}, false, 1},
		{"own, unheard", scene{own: true, sent: 2, tries: 3, listeners: lacking}, true, 1},
		{"own, unheard for long", scene{own: true, sent: 3, tries: 3, listeners: lacking}, false, 1},
		{"own, relayed", scene{own: true, confirmed: true, sent: 1, tries: 3, listeners: lacking}, false, 0.97},
		{"stranded behind a silent one", scene{sent: 1, listeners: lacking, beyond: []beyond{{ways: 3, blind: true}}}, true, 0.97},
		{"stranded behind a silent one, where others can bring it", scene{sent: 1, listeners: lacking, beyond: []beyond{{ways: 5, blind: true}}}, false, 0.97},
		{"stranded behind one that would be heard", scene{sent: 1, listeners: lacking, beyond: []beyond{{ways: 3}}}, false, 0.97},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := tuning.relays(&test.scene); got != test.want {
				t.Errorf("relays: %v", got)
			}
			if got := tuning.rank(&test.scene); math.Abs(got-test.rank) > 0.01 {
				t.Errorf("rank %.3f, want %.2f", got, test.rank)
			}
		})
	}
}

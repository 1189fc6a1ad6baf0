// Package upstream2021 carries the example feed inside the program, so that the main job runs from any folder.
package upstream2021

import "embed"

// Files holds apps.jsonl, deliveries.jsonl and expected.jsonl; README.md beside them says what is in them.
//
//go:embed apps.jsonl deliveries.jsonl expected.jsonl
var Files embed.FS

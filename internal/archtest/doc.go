// Package archtest holds no code but a test: what each part of the program may import and touch, read from the sources.
package archtest

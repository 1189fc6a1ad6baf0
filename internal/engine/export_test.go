package engine

// HashOf is the content hash of a command with all that it has, as it was taken before domain.Content.
var HashOf = hashOf

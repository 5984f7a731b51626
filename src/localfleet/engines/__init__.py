"""Who answers: the embedded llama.cpp, running endpoints, hosted providers, and who keeps them alive."""

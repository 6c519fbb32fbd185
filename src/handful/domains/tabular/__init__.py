"""Problems that are given as arrays, and their exact optimum."""

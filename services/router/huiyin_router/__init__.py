"""Router (分类, 派单): classifies every feedback and decides which department it goes to."""
